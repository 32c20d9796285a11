//! The disk budget of a registry that is a hythe.

use std::time::SystemTime;

use hythe_api::{Disk, EvictedNext, path};
use hythe_client::Client;

use crate::console::{ago, size, table};

/// The largest answer, in bytes: it names ten images.
const LIMIT: usize = 1 << 20;

/// The disk budget; `None` for another registry, or a hythe of an earlier version.
pub(super) async fn read(client: &Client) -> Option<Disk> {
    let answer = client.read_page(path::DISK, &[], LIMIT).await.ok()?;
    if answer.status == 200 { serde_json::from_slice(&answer.bytes).ok() } else { None }
}

/// The budget, its use, and the images that the registry would remove next.
pub(super) fn text(disk: &Disk) -> String {
    let mut lines = vec![match disk.budget_bytes {
        Some(budget) => {
            format!("stored: {} of a budget of {} (disk.budget)", size(disk.stored_bytes), size(budget))
        }
        None => format!("stored: {}", size(disk.stored_bytes)),
    }];
    if let (Some(free), Some(whole), Some(floor)) = (disk.free_bytes, disk.size_bytes, disk.floor_bytes) {
        let (free, whole, floor) = (size(free), size(whole), size(floor));
        lines.push(format!("file system: {free} of {whole} free; {floor} stay free (disk.floor)"));
    }
    if disk.refuses_pushes {
        lines.push(
            "pushes are refused until there is room: delete images, then `hythe gc --grace 0s`".to_owned(),
        );
    }
    for cluster in &disk.running {
        lines.push(format!("kept: the images that {} runs", cluster.source));
    }
    if !disk.next.is_empty() {
        let now = SystemTime::now();
        let rows: Vec<[String; 3]> = disk.next.iter().map(|image| row(image, now)).collect();
        lines.push(format!(
            "removed first when room is needed:\n{}",
            table(["CACHED IMAGE", "SIZE", "LAST USE"], &rows)
        ));
    }
    lines.join("\n")
}

fn row(image: &EvictedNext, now: SystemTime) -> [String; 3] {
    let name = match &image.tag {
        Some(tag) => format!("{}:{tag}", image.repository),
        None => format!("{}@{}", image.repository, image.digest),
    };
    let last_use = image.last_use.as_deref().unwrap_or("-");
    let last_use =
        humantime::parse_rfc3339(last_use).map_or_else(|_| last_use.to_owned(), |then| ago(then, now));
    [name, size(image.bytes), last_use]
}

#[cfg(test)]
mod tests {
    use hythe_api::RunningIn;

    use super::*;

    #[test]
    fn a_full_registry_says_what_to_do_and_names_what_goes_first() {
        let image = EvictedNext {
            repository: "docker.io/library/redis".parse().unwrap(),
            tag: Some("7".parse().unwrap()),
            digest: format!("sha256:{}", "a".repeat(64)).parse().unwrap(),
            bytes: 1 << 20,
            last_use: None,
        };
        let disk = Disk {
            stored_bytes: 2 << 30,
            budget_bytes: Some(1 << 30),
            size_bytes: Some(8 << 30),
            free_bytes: Some(3 << 30),
            floor_bytes: Some(1 << 30),
            refuses_pushes: true,
            running: vec![RunningIn { source: "kind-dev".to_owned(), digests: 12, told: None }],
            next: vec![image],
        };
        let text = text(&disk);
        for part in [
            "2.0 GiB of a budget of 1.0 GiB",
            "3.0 GiB of 8.0 GiB free",
            "hythe gc --grace 0s",
            "kind-dev",
            "docker.io/library/redis:7",
        ] {
            assert!(text.contains(part), "`{part}` is not in:\n{text}");
        }
    }
}
