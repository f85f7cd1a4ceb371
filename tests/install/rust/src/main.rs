//! A program outside the workspace: deploys a jar and calls a class in it.

// What README.md shows of Rust; the test writes it here.
#[allow(dead_code)]
mod readme;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("HAULIER_ADDRESS")?;
    let jar = std::env::args().nth(1).ok_or("usage: another JAR")?;
    let cluster = haulier::connect(address).await?;
    let unit = cluster.deploy("elsewhere", "1.0.0").source(jar).send().await?;
    let price: i64 = cluster.task(&unit, "acme.Price").call(21).await?;
    assert_eq!(price, 42);
    cluster.close().await;
    println!("another crate: 42");
    Ok(())
}
