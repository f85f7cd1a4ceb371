package programs

import io.haulier.api.{HaulierException, RemoteCallable, TaskContext}
import io.haulier.client.{Haulier, RemoteExecutor}
import java.util.concurrent.ExecutionException
import scala.util.Using

case class Point(x: Int, y: Int)

object Point:
  val origin: Point = Point(0, 0)

enum Shape:
  case Square(side: Int)
  case Dot

trait Greeting(name: String):
  lazy val greeting: String = s"hello $name"

class Task(number: Int) extends RemoteCallable[Int], Greeting("scala"):
  override def call(): Int = number + greeting.length

class OwnFailure(message: String, val code: Int) extends Exception(message)

trait Show[T]:
  def show(value: T): String

given Show[Point] = point => s"${point.x}/${point.y}"

extension [T: Show](value: T) def shown: String = summon[Show[T]].show(value)

def topLevel: Int = 42

private def area(shape: Shape): Int = shape match
  case Shape.Square(side) => side * side
  case Shape.Dot => 0

private def lambdas(pool: RemoteExecutor): Unit =
  val captured = 40
  val inner = (number: Int) => number + captured
  expect(42, run(pool)(() => topLevel))
  expect(42, run(pool)(() => captured + 2))
  expect(42, run(pool)(() => inner(2)))
  expect(List(2, 4), run(pool)(() => List(1, 2).map(_ * 2)))
  expect(Point(1, 2), run(pool)(() => Point.origin.copy(1, 2)))
  expect("1/2", run(pool)(() => Point(1, 2).shown))
  expect(9, run(pool)(() => area(Shape.Square(3)) + area(Shape.Dot)))
  expect(true, run(pool)(() => Shape.Dot) eq Shape.Dot)
  val answers = (0 until 20).map(number => pool.submit((() => number * number): RemoteCallable[Int]))
  expect((0 until 20).map(number => number * number), answers.map(_.get()))

private def classes(pool: RemoteExecutor): Unit =
  expect(42, pool.submit(Task(31): RemoteCallable[Int]).get())
  expect(3, pool.submit(new RemoteCallable[Int] { override def call(): Int = List(1, 2).sum }).get())
  val source = run(pool)(() => TaskContext.current().sourceOf(classOf[Point]).orElse(""))
  expect(true, source.endsWith("/classes"))

private def failures(pool: RemoteExecutor): Unit =
  val own = refused[ExecutionException](run[Int](pool)(() => throw OwnFailure("own", 7)))
  expect(7, own.getCause.asInstanceOf[OwnFailure].code)
  val connection = Object()
  val held = refused[HaulierException](run(pool)(() => connection.hashCode))
  expect(true, held.getMessage.contains("lambda.captured 1"))

private def refused[T <: Throwable: reflect.ClassTag](work: => Any): T =
  try
    work
    throw AssertionError("nothing was thrown")
  catch case problem: T => problem

private def run[T](pool: RemoteExecutor)(task: RemoteCallable[T]): T = pool.submit(task).get()

private def expect(expected: Any, actual: Any): Unit =
  if expected != actual then throw AssertionError(s"expected $expected, but was $actual")

object Main:
  def main(arguments: Array[String]): Unit =
    Using.resource(Haulier.connect(System.getenv("HAULIER_ADDRESS"))): cluster =>
      val pool = cluster.executor()
      lambdas(pool)
      classes(pool)
      failures(pool)
    println(s"Scala 3: ok")
