//! Deploys a Java jar and a Python package, calls both by name, and undeploys them.
//!
//! ```text
//! cargo run --example deploy_and_run -- 127.0.0.1:7440 pricing.jar acme.Price ./weather weather.forecast:warmest
//! ```
use std::error::Error;

use futures_util::StreamExt as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, jar, class, package, function] = arguments.as_slice() else {
        return Err("usage: deploy_and_run ADDRESS JAR CLASS PACKAGE MODULE:FUNCTION".into());
    };
    let cluster = haulier::connect(address.as_str()).await?;

    let pricing = cluster.deploy("example-pricing", "1.2.0").source(jar).send().await?;
    let price: i64 = cluster.task(&pricing, class.as_str()).call(21).await?;
    println!("{class}(21) = {price}, from the unit {}:{}", pricing.name, pricing.version);

    let mut sum = 0;
    let mut prices = cluster.task(&pricing, class.as_str()).map::<i64>(1..=1000);
    while let Some(price) = prices.next().await {
        sum += price?;
    }
    println!("the sum of {class}(1), ..., {class}(1000) = {sum}");

    let weather = cluster.deploy("example-weather", "1.0.0").source(package).send().await?;
    let days = vec![haulier::Value::from(11.5), 18.0.into(), 16.25.into()];
    let warmest: f64 = cluster.task(&weather, function.as_str()).call((days,)).await?;
    println!("{function}([11.5, 18.0, 16.25]) = {warmest}");

    for unit in ["example-pricing", "example-weather"] {
        cluster.undeploy(unit, false).await?;
    }
    cluster.close().await;
    Ok(())
}
