//! What /proc says about processes, and waits that end. It starts and ends none.
use std::{
    fs,
    time::{Duration, Instant},
};

/// Whether a process exists and is no zombie.
pub fn is_alive(process_id: u32) -> bool {
    status(process_id).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// The processes below `process_id`, children first, zombies left out.
pub fn descendants(process_id: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let all: Vec<(u32, u32)> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|id: u32| status(id).filter(|(state, _)| *state != 'Z').map(|(_, parent)| (id, parent)))
        .collect();
    let mut found = vec![process_id];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(all.iter().filter(|(_, above)| *above == parent).map(|(id, _)| *id));
        next += 1;
    }
    found.split_off(1)
}

/// Asks until `condition` holds; false when `deadline` has passed. For states that no event announces, such as the end
/// of a process that is not a child.
pub fn eventually(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + deadline;
    while !condition() {
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// As [`eventually`], for conditions that are asked of a node.
pub async fn until(deadline: Duration, mut condition: impl AsyncFnMut() -> bool) -> bool {
    let asked = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(deadline, asked).await.is_ok()
}

/// Waits for `work`, but not for ever.
///
/// # Panics
/// If it takes longer than `seconds`.
pub async fn within<T>(seconds: u64, what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(Duration::from_secs(seconds), work).await;
    done.unwrap_or_else(|_| panic!("{what} took more than {seconds} s"))
}

/// State and parent of a process.
fn status(process_id: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{process_id}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_seen_and_its_end_too() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(is_alive(child.id()));
        assert!(descendants(std::process::id()).contains(&child.id()));
        child.kill().unwrap();
        assert!(eventually(Duration::from_secs(5), || !is_alive(child.id())));
        child.wait().unwrap();
    }
}
