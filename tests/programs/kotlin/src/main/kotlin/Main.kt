@file:JvmName("Main")

package programs

import io.haulier.api.HaulierException
import io.haulier.api.RemoteCallable
import io.haulier.api.RemoteRunnable
import io.haulier.api.TaskContext
import io.haulier.client.Haulier
import io.haulier.client.RemoteExecutor
import java.io.Serializable
import java.util.concurrent.ExecutionException

/** Data classes, objects, companions, sealed classes: the node has none of them. */
data class Point(val x: Int, val y: Int) : Serializable

object Constants {
    const val OFFSET = 2
    val table = mapOf("forty" to 40)
}

sealed interface Shape : Serializable {
    data class Square(val side: Int) : Shape

    data object Dot : Shape
}

enum class Operation {
    DOUBLE {
        override fun apply(value: Int) = value * 2
    },
    SQUARE {
        override fun apply(value: Int) = value * value
    }, ;

    abstract fun apply(value: Int): Int
}

class Task(private val number: Int) : RemoteCallable<Int> {
    override fun call() = number + bonus

    companion object {
        val bonus = "22".toInt()
    }
}

class OwnFailure(message: String, val code: Int) : Exception(message)

inline fun <reified T> kind(): String = T::class.java.simpleName

fun topLevel() = 42

fun String.shout() = uppercase() + "!"

fun area(shape: Shape) = when (shape) {
    is Shape.Square -> shape.side * shape.side
    Shape.Dot -> 0
}

fun lambdas(pool: RemoteExecutor) {
    val captured = 40
    var changing = 1
    changing++
    val inner = @JvmSerializableLambda { number: Int -> number + captured }
    expect(42, pool.submit(RemoteCallable { 42 }).get())
    expect(42, pool.submit(RemoteCallable { captured + changing }).get())
    expect(42, pool.submit(RemoteCallable { inner(2) }).get())
    expect(42, pool.submit(RemoteCallable(::topLevel)).get())
    expect("KOTLIN!", pool.submit(RemoteCallable("kotlin"::shout)).get())
    expect(Point(1, 2), pool.submit(RemoteCallable { ::Point.invoke(1, 2) }).get())
    expect(listOf(2, 4), pool.submit(RemoteCallable { sequenceOf(1, 2).map { it * 2 }.toList() }).get())
    expect("Point", pool.submit(RemoteCallable { kind<Point>() }).get())
    expect(null, pool.submit(RemoteRunnable { topLevel() }).get())
    val answers = (0 until 20).map { pool.submit(RemoteCallable { it * it }) }
    expect((0 until 20).map { it * it }, answers.map { it.get() })
}

fun classes(pool: RemoteExecutor) {
    expect(42, pool.submit(Task(20)).get())
    expect(42, pool.submit(object : RemoteCallable<Int> {
        override fun call() = Constants.table.getValue("forty") + Constants.OFFSET
    }).get())
    expect(9, pool.submit(RemoteCallable { area(Shape.Square(3)) + area(Shape.Dot) }).get())
    expect(49, pool.submit(RemoteCallable { Operation.SQUARE.apply(7) }).get())
    val square = Operation.SQUARE
    expect(81, pool.submit(RemoteCallable { square.apply(9) }).get())
    expect(true, pool.submit(RemoteCallable {
        TaskContext.current().sourceOf(Point::class.java).orElse("").endsWith("/classes")
    }).get())
}

fun failures(pool: RemoteExecutor) {
    val own = refused<ExecutionException> { pool.submit(RemoteCallable<Int> { throw OwnFailure("own", 7) }).get() }
    expect(7, (own.cause as OwnFailure).code)
    val connection = Any()
    val held = refused<HaulierException> { pool.submit(RemoteCallable { connection.hashCode() }) }
    expect(true, held.message!!.contains("java.lang.Object"))
}

inline fun <reified T : Throwable> refused(work: () -> Unit): T = try {
    work()
    throw IllegalStateException("nothing was thrown")
} catch (problem: Throwable) {
    problem as? T ?: throw problem
}

fun expect(expected: Any?, actual: Any?) = check(expected == actual) { "expected $expected, but was $actual" }

fun main() {
    Haulier.connect(System.getenv("HAULIER_ADDRESS")).use { cluster ->
        val pool = cluster.executor()
        lambdas(pool)
        classes(pool)
        failures(pool)
    }
    println("Kotlin ${KotlinVersion.CURRENT}: ok")
}
