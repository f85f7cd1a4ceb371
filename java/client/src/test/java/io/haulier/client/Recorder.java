package io.haulier.client;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** A proxy on loopback that keeps what clients send, so that tests can look whether something was among it. */
final class Recorder implements AutoCloseable {
    private final ServerSocket server;
    private final List<ByteArrayOutputStream> sent = new CopyOnWriteArrayList<>();
    private final List<Socket> open = new CopyOnWriteArrayList<>();
    private volatile String target;

    /** Listens; connections are taken when {@link #leadTo} has said where they lead. */
    Recorder() {
        try {
            server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        } catch (IOException problem) {
            throw new UncheckedIOException(problem);
        }
    }

    /** host:port. */
    String address() {
        return "127.0.0.1:" + server.getLocalPort();
    }

    void leadTo(String address) {
        target = address;
        start(this::accept);
    }

    /** Whether one of the connections has carried that text to the node. */
    boolean hasSent(String text) {
        String wanted = new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
        return sent.stream().anyMatch(bytes -> bytes.toString(StandardCharsets.ISO_8859_1).contains(wanted));
    }

    private void accept() throws IOException {
        int colon = target.lastIndexOf(':');
        int port = Integer.parseInt(target.substring(colon + 1));
        while (!server.isClosed()) {
            Socket client = server.accept();
            Socket node = new Socket(target.substring(0, colon), port);
            client.setTcpNoDelay(true);
            node.setTcpNoDelay(true);
            open.addAll(List.of(client, node));
            ByteArrayOutputStream record = new ByteArrayOutputStream();
            sent.add(record);
            start(() -> copy(client, node, record));
            start(() -> copy(node, client, OutputStream.nullOutputStream()));
        }
    }

    private static void copy(Socket from, Socket to, OutputStream record) throws IOException {
        byte[] buffer = new byte[1 << 16];
        try (InputStream in = from.getInputStream();
                OutputStream out = to.getOutputStream()) {
            for (int count = in.read(buffer); count > 0; count = in.read(buffer)) {
                record.write(buffer, 0, count);
                out.write(buffer, 0, count);
            }
        }
    }

    /** Something that ends with its connection. */
    private interface Work {
        void run() throws IOException;
    }

    private static void start(Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (IOException closed) {
                return;
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() throws IOException {
        server.close();
        for (Socket socket : open) {
            socket.close();
        }
    }
}
