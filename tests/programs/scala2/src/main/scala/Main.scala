package programs

import io.haulier.api.{HaulierException, RemoteCallable, TaskContext}
import io.haulier.client.{Haulier, RemoteExecutor}
import java.util.concurrent.{Callable, ExecutionException}

case class Point(x: Int, y: Int)

object Point {
  val origin: Point = Point(0, 0)
}

sealed trait Shape
case class Square(side: Int) extends Shape
case object Dot extends Shape

trait Greeting {
  lazy val greeting: String = "hello " + name
  def name: String
}

class Task(number: Int) extends RemoteCallable[Int] with Greeting {
  def name = "scala"
  override def call(): Int = number + greeting.length
}

class OwnFailure(message: String, val code: Int) extends Exception(message)

object Main {
  private def area(shape: Shape): Int = shape match {
    case Square(side) => side * side
    case Dot => 0
  }

  private def lambdas(pool: RemoteExecutor): Unit = {
    val captured = 40
    val inner = (number: Int) => number + captured
    val partial: PartialFunction[Int, String] = { case 1 => "one" }
    expect(42, run(pool)(() => 42))
    expect(42, run(pool)(() => captured + 2))
    expect(42, run(pool)(() => inner(2)))
    expect(List(2, 4), run(pool)(() => List(1, 2).map(_ * 2)))
    expect(Some("one"), run(pool)(() => partial.lift(1)))
    expect(Point(1, 2), run(pool)(() => Point.origin.copy(1, 2)))
    expect(Map("a" -> 1), run(pool)(() => Map("a" -> 1)))
    expect(9, run(pool)(() => area(Square(3)) + area(Dot)))
    expect(true, run(pool)(() => Dot) eq Dot)
    val answers = (0 until 20).map(number => pool.submit((() => number * number): RemoteCallable[Int]))
    expect((0 until 20).map(number => number * number), answers.map(_.get()))
  }

  private def classes(pool: RemoteExecutor): Unit = {
    expect(42, pool.submit(new Task(31): RemoteCallable[Int]).get())
    expect(3, pool.submit(new RemoteCallable[Int] { override def call(): Int = List(1, 2).sum }).get())
    val source = run(pool)(() => TaskContext.current().sourceOf(classOf[Point]).orElse(""))
    expect(true, source.endsWith("/classes"))
    // A class and its companion, named at run time only: both come from the one snapshot.
    val same = run(pool) { () =>
      val loader = Thread.currentThread().getContextClassLoader
      loader.loadClass("programs.Point").getClassLoader eq loader.loadClass("programs.Point$").getClassLoader
    }
    expect(true, same)
  }

  private def failures(pool: RemoteExecutor): Unit = {
    try {
      run[Int](pool)(() => throw new OwnFailure("own", 7))
      throw new AssertionError("nothing was thrown")
    } catch {
      case problem: ExecutionException => expect(7, problem.getCause.asInstanceOf[OwnFailure].code)
    }
    val connection = new Object
    try {
      run(pool)(() => connection.hashCode)
      throw new AssertionError("nothing was refused")
    } catch {
      case problem: HaulierException => expect(true, problem.getMessage.contains("Main$ lambda.captured 1"))
    }
  }

  private def run[T](pool: RemoteExecutor)(task: RemoteCallable[T]): T = pool.submit(task).get()

  private def expect(expected: Any, actual: Any): Unit =
    if (expected != actual) throw new AssertionError(s"expected $expected, but was $actual")

  def main(arguments: Array[String]): Unit = {
    val cluster = Haulier.connect(System.getenv("HAULIER_ADDRESS"))
    try {
      val pool = cluster.executor()
      lambdas(pool)
      classes(pool)
      failures(pool)
    } finally cluster.close()
    println(s"Scala ${util.Properties.versionNumberString}: ok")
  }
}
