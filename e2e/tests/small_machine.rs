//! Eight clients push to and pull from a server with 256 MiB and a fifth of a core: slow, but without an error or a
//! kill.
//!
//! `HYTHE_SMALL_MIB` is the size of each client's image.

use std::thread;
use std::time::Instant;

use hythe_e2e::control_group::ControlGroup;
use hythe_e2e::image::push_random;
use hythe_e2e::number::{fresh_seed, from_env};
use hythe_e2e::repository::Repository;
use hythe_e2e::server::Server;

const CLIENTS: u64 = 8;

/// Layers of one image.
const LAYERS: u64 = 4;

#[test]
fn eight_clients_push_and_pull_in_256_mib_and_a_fifth_of_a_core() {
    let mib = from_env("HYTHE_SMALL_MIB", 128);
    let group = ControlGroup::new("small", 256, 20);
    // The server must be dropped before its group: a group with processes cannot be removed.
    let mut server = Server::new().with_group(group.processes());
    server.run();
    let layers = vec![(mib << 20) / LAYERS; LAYERS as usize];
    let begin = Instant::now();
    let digests = each_client(|number| {
        let mut client = server.client();
        push_random(
            &mut Repository::new(&mut client, &format!("small/c{number}")),
            "v1",
            fresh_seed(),
            &layers,
        )
    });
    let pushed = begin.elapsed();
    let pulled = each_client(|number| {
        let mut client = server.client();
        Repository::new(&mut client, &format!("small/c{number}")).verify("v1")
    });
    println!(
        "{CLIENTS} × {mib} MiB: pushed in {pushed:.1?}, pulled in {:.1?}, peak {:?} MiB with page cache",
        begin.elapsed().saturating_sub(pushed),
        group.peak()
    );
    assert_eq!(digests, pulled);
    assert_eq!(group.kills(), 0, "the kernel killed a process for lack of memory");
    assert!(server.status().is_none(), "the server ended\n{}", server.log());
}

fn each_client<T: Send>(act: impl Fn(u64) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS)
            .map(|number| {
                scope.spawn({
                    let act = &act;
                    move || act(number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a client failed, see above")).collect()
    })
}
