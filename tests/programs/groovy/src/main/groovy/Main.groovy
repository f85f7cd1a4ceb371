package programs

import groovy.transform.Canonical
import groovy.transform.CompileStatic
import io.haulier.api.HaulierException
import io.haulier.api.RemoteCallable
import io.haulier.api.TaskContext
import io.haulier.client.Haulier
import io.haulier.client.RemoteExecutor
import java.util.concurrent.ExecutionException

@Canonical
class Point implements Serializable {
    int x, y
}

trait Greeting {
    String greet(String name) { "hello $name" }
}

class Task implements RemoteCallable<Integer>, Greeting {
    int number

    @Override
    Integer call() { number + greet('groovy').length() }
}

class OwnFailure extends Exception {
    final int code

    OwnFailure(String message, int code) {
        super(message)
        this.code = code
    }
}

class Main {
    static int doubled(int number) { number * 2 }

    static void closures(RemoteExecutor pool) {
        int captured = 40
        assert pool.submit({ 42 } as RemoteCallable).get() == 42
        assert pool.submit({ captured + 2 } as RemoteCallable).get() == 42
        assert pool.submit({ doubled(21) } as RemoteCallable).get() == 42
        assert pool.submit({ [1, 2].collect { it * 2 } } as RemoteCallable).get() == [2, 4]
        assert pool.submit({ new Point(1, 2) } as RemoteCallable).get() == new Point(1, 2)
        // A closure inside another one holds that one as its owner, with all that it captures: what does not need it lets go.
        def answers = (0..<20).collect { number -> pool.submit({ number * number }.dehydrate() as RemoteCallable) }
        assert answers*.get() == (0..<20).collect { it * it }
    }

    @CompileStatic
    static void lambdas(RemoteExecutor pool) {
        final int offset = 40
        RemoteCallable<Integer> task = { -> offset + 2 }
        assert pool.submit(task).get() == 42
        RemoteCallable<Integer> constant = () -> 42
        assert pool.submit(constant).get() == 42
    }

    static void classes(RemoteExecutor pool) {
        assert pool.submit((RemoteCallable) new Task(number: 30)).get() == 42
        String source = pool.submit({
            TaskContext.current().sourceOf(Point).orElse('nowhere')
        } as RemoteCallable).get()
        assert source.endsWith('/classes')
    }

    static void failures(RemoteExecutor pool) {
        try {
            pool.submit({ throw new OwnFailure('own', 7) } as RemoteCallable).get()
            assert false, 'nothing was thrown'
        } catch (ExecutionException problem) {
            assert ((OwnFailure) problem.cause).code == 7
        }
        def connection = new Object()
        try {
            pool.submit({ connection.hashCode() } as RemoteCallable)
            assert false, 'nothing was refused'
        } catch (HaulierException problem) {
            assert problem.message.contains('_closure') && problem.message.contains('connection')
        }
    }

    static void main(String[] arguments) {
        Haulier.connect(System.getenv('HAULIER_ADDRESS')).withCloseable { cluster ->
            def pool = cluster.executor()
            closures(pool)
            lambdas(pool)
            classes(pool)
            failures(pool)
        }
        println "Groovy ${GroovySystem.version}: ok"
    }
}
