//! The worker's side of the cases: what a JVM or an interpreter would do.

use std::{
    env, fs,
    io::Write,
    mem::ManuallyDrop,
    os::fd::FromRawFd,
    process::{Command, ExitCode, exit},
    sync::{Arc, LazyLock},
    thread,
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use haulier_model::{Codec, Digest, Error, ErrorKind, Language, Result};
use haulier_protocol::{Message, v1};
use haulier_worker::{Canceller, ForkRequest, HelloInfo, Task, TaskOutcome, TaskRunner, WorkerProcess, Zygote};
use parking_lot::{Condvar, Mutex};

/// A worker says this about itself, unless the file `mode` in its temporary directory says otherwise.
pub fn hello(language: Language) -> HelloInfo {
    HelloInfo { language, language_version: "17.0.15".into(), capabilities: vec!["test".into()] }
}

fn control_fd() -> i32 {
    env::var("HAULIER_CONTROL_FD").unwrap().parse().unwrap()
}

fn mode() -> String {
    fs::read_to_string(format!("{}/mode", env::var("TMPDIR").unwrap())).unwrap_or_default()
}

/// Plays a JVM with the slots that the node asked for.
pub fn java() -> ExitCode {
    match mode().as_str() {
        "foreign" => {
            let hello = v1::WorkerHello { protocol_version: 1, build_id: "0.0.1+foreign".into(), ..Default::default() };
            write_raw(v1::WorkerMessage { request_id: 0, message: Some(v1::worker_message::Message::Hello(hello)) });
            wait_for_end();
        }
        "problem" => {
            WorkerProcess::refuse(control_fd(), hello(Language::Java), "no libhaulier_jni.so").unwrap();
            wait_for_end();
        }
        "exit" => {
            eprintln!("cannot find io.haulier.worker.Main");
            exit(3);
        }
        "silent" => wait_for_end(),
        "orphan" => rustix::process::set_parent_process_death_signal(None).unwrap(),
        _ => {}
    }
    let slots: u16 = env::var("HAULIER_SLOTS").unwrap().parse().unwrap();
    let process = WorkerProcess::connect(control_fd(), hello(Language::Java)).unwrap();
    serve(process, (0..slots).map(|slot| (slot, control_fd() + 1 + i32::from(slot))).collect())
}

/// Plays an interpreter from which slots are forked.
pub fn zygote() -> ExitCode {
    fork_for(Zygote::connect(control_fd(), hello(Language::Python)).unwrap(), |_| None)
}

/// Forks what the node asks for, and says that the child is another process where `lie` knows one.
fn fork_for(mut zygote: Zygote, lie: impl Fn(u64) -> Option<u32>) -> ExitCode {
    while let Some(request) = zygote.next().unwrap() {
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            0 if request.modules().is_some() => template(request),
            0 => {
                let links = request.enter_child().unwrap();
                // SAFETY: as above.
                unsafe { env::set_var("TMPDIR", &links.temp_dir) };
                if env::var("PRELOADED").is_ok_and(|modules| modules.contains("dies_in_children")) {
                    exit(9);
                }
                let process = WorkerProcess::connect(links.control_fd, hello(Language::Python)).unwrap();
                serve(process, vec![(0, links.link_fd)]);
            }
            pid => zygote.forked(request.fork_id(), lie(request.fork_id()).unwrap_or(pid as u32)).unwrap(),
        }
    }
    ExitCode::SUCCESS
}

/// Plays a process that has imported modules; some have effects.
fn template(request: ForkRequest) -> ! {
    let modules = request.modules().unwrap().to_vec();
    let (zygote, folder) = request.enter_template().unwrap();
    for module in &modules {
        zygote.preloading(module).unwrap();
        match module.as_str() {
            "hangs" => wait_for_end(),
            "aborts" => std::process::abort(),
            "raises" => {
                zygote.cannot_preload("it raises").unwrap();
                exit(0);
            }
            _ => {}
        }
    }
    // SAFETY: this process has one thread.
    unsafe {
        env::set_var("PRELOADED", modules.join(" "));
        env::set_var("TEMPLATE_FOLDER", folder);
    }
    let lies = modules.iter().any(|module| module == "lies");
    let parent = std::os::unix::process::parent_id();
    zygote.preloaded(modules).unwrap();
    fork_for(zygote, |_| lies.then_some(parent));
    exit(0)
}

fn serve(process: Arc<WorkerProcess>, slots: Vec<(u16, i32)>) -> ! {
    let control = process.clone();
    thread::spawn(move || {
        control.serve_control(Arc::new(Interrupts)).unwrap();
        exit(0);
    });
    let threads: Vec<_> = slots
        .into_iter()
        .map(|(slot, link)| {
            let process = process.clone();
            thread::spawn(move || process.serve_slot(slot, link, &mut Runner { process: process.clone() }).unwrap())
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    exit(0)
}

fn write_raw(message: v1::WorkerMessage) {
    let mut bytes = BytesMut::new();
    bytes.put_u32_le(message.encoded_len() as u32);
    message.encode(&mut bytes).unwrap();
    // SAFETY: the launcher opened it; it is not closed here.
    let mut control = ManuallyDrop::new(unsafe { fs::File::from_raw_fd(control_fd()) });
    control.write_all(&bytes).unwrap();
}

fn wait_for_end() -> ! {
    loop {
        thread::park();
    }
}

/// Tasks that were interrupted.
static INTERRUPTED: LazyLock<(Mutex<Vec<u64>>, Condvar)> = LazyLock::new(Default::default);

struct Interrupts;

impl Canceller for Interrupts {
    fn cancel(&self, task_id: u64, _slot: u16) -> bool {
        INTERRUPTED.0.lock().push(task_id);
        INTERRUPTED.1.notify_all();
        true
    }

    fn release(&self, _loaders: &[Bytes]) {}
}

struct Runner {
    process: Arc<WorkerProcess>,
}

impl TaskRunner for Runner {
    fn run(&mut self, slot: u16, task: &Task) -> TaskOutcome {
        match self.act(slot, task) {
            Ok(payload) => TaskOutcome::Completed { codec: Codec::Values, payload: payload.into() },
            Err(error) => TaskOutcome::Failed(error),
        }
    }
}

impl Runner {
    #[allow(clippy::zombie_processes, reason = "what is started is to outlive its task")]
    fn act(&self, slot: u16, task: &Task) -> Result<Vec<u8>> {
        let text = String::from_utf8_lossy(task.payload()).into_owned();
        match task.frame.entry_point.as_str() {
            "echo" => Ok(task.payload().to_vec()),
            "import" => {
                self.process.report_imports(text.split(' ').map(str::to_owned).collect())?;
                Ok(Vec::new())
            }
            "slot" => Ok(slot.to_string().into()),
            "many" => Ok(vec![7; text.parse().unwrap()]),
            "panic" => panic!("{text}"),
            "wait" => wait_for_interrupt(task.frame.task_id),
            // Runs until the node answers.
            "held" => self.process.class_path(Digest::of(task.payload())).map(|_| Vec::new()),
            "exit" => {
                println!("{text}");
                exit(7)
            }
            "abort" => std::process::abort(),
            "close" => {
                // SAFETY: the link is meant to break.
                unsafe { libc::close(control_fd() + 1) };
                wait_for_end()
            }
            "start" => {
                let child = Command::new("/bin/sleep").arg("1000").spawn().unwrap();
                Ok(child.id().to_string().into())
            }
            "read" => fs::read(&text).map_err(refused),
            "write" => fs::write(&text, "written").map(|()| Vec::new()).map_err(refused),
            "signal" => {
                let pid = rustix::process::Pid::from_raw(text.parse().unwrap()).unwrap();
                let sent = rustix::process::test_kill_process(pid);
                Ok(format!("{sent:?}").into())
            }
            "environment" => {
                Ok(env::vars().map(|(name, value)| format!("{name}={value}\n")).collect::<String>().into())
            }
            "descriptors" => {
                let open = fs::read_dir("/proc/self/fd").map_err(refused)?;
                let names = open.map(|entry| fs::read_link(entry.unwrap().path()).unwrap_or_default());
                Ok(names.map(|name| format!("{}\n", name.display())).collect::<String>().into())
            }
            "find" => self.find(task, &text),
            "find by many" => self.find_by_many(task, &text),
            "fill" => self.fill(task, &text),
            other => Err(Error::new(ErrorKind::CodeNotFound, "run", other)),
        }
    }

    fn find(&self, task: &Task, path: &str) -> Result<Vec<u8>> {
        let class_path = self.process.class_path(Digest::from_slice(&task.frame.class_path)?)?;
        match class_path.find(path)? {
            Some(found) => Ok([found.label.as_bytes(), b" ", found.bytes()].concat()),
            None => Err(class_path.not_found(path)),
        }
    }

    /// 64 threads ask for the class path, and then for the entry.
    fn find_by_many(&self, task: &Task, path: &str) -> Result<Vec<u8>> {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..64).map(|_| scope.spawn(|| self.find(task, path))).collect();
            let mut results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert!(results.iter().all(|result| result.as_ref().ok() == results[0].as_ref().ok()));
            results.remove(0)
        })
    }

    fn fill(&self, task: &Task, name: &str) -> Result<Vec<u8>> {
        let class_path = self.process.class_path(Digest::from_slice(&task.frame.class_path)?)?;
        Ok(class_path.fill(name)?.to_string().into())
    }
}

fn refused(error: std::io::Error) -> Error {
    Error::new(ErrorKind::PermissionDenied, "use a file", error.to_string())
}

fn wait_for_interrupt(task_id: u64) -> Result<Vec<u8>> {
    let mut interrupted = INTERRUPTED.0.lock();
    while !interrupted.contains(&task_id) {
        if INTERRUPTED.1.wait_for(&mut interrupted, Duration::from_secs(60)).timed_out() {
            return Err(Error::new(ErrorKind::DeadlineExceeded, "wait", "nobody has interrupted"));
        }
    }
    Err(Error::new(ErrorKind::Canceled, "wait", "interrupted"))
}
