//! Full disks, dropped connections, restarts and dead clients: the registry stays consistent and reports what is wrong.

mod budget;
mod full_disk;

use std::io::{BufReader, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use hythe_e2e::client::read_head;
use hythe_e2e::content::Content;
use hythe_e2e::number::fresh_seed;
use hythe_e2e::repository::{Repository, Way, upload_offset};
use hythe_e2e::server::Server;
use rustix::process::Signal;

const MIB: u64 = 1 << 20;

#[test]
fn an_upload_session_resumes_where_a_dropped_connection_broke_it_off() {
    let server = Server::start();
    let mut client = server.client();
    let content = Content::new(fresh_seed(), 8 * MIB);
    let mut repository = Repository::new(&mut client, "dropped");
    let location = repository.open_upload().expect("the server answers").expect(202, "POST").location();

    let mut stream = repository.client().connect().expect("the server listens");
    let headers = [("Content-Type", "application/octet-stream")];
    let head = repository.client().head("PATCH", &location, &headers, content.len());
    stream.write_all(&head).and_then(|()| content.write(0, 3 * MIB, &mut stream)).expect("the server reads");
    // The last bytes are still on their way: wait until the server must have received them.
    thread::sleep(Duration::from_millis(300));
    drop(stream);

    let mut status = (0, String::new());
    wait_for("the server keeps the bytes that it received", || {
        status = upload_offset(&mut client, &location);
        status.0 > 0
    });
    let (offset, location) = status;
    assert!(offset <= 3 * MIB, "the session's offset is {offset}, more than was sent");
    let mut repository = Repository::new(&mut client, "dropped");
    let response = repository.append(&location, &content, offset, 6 * MIB).expect("the server answers");
    let location = response.expect(202, "PATCH of the rest").location();
    let digest = content.digest();
    repository
        .close_upload(&location, &content, &digest, 6 * MIB)
        .expect("the server answers")
        .expect(201, "PUT");
    repository.verify_blob(&digest);
}

#[test]
fn an_upload_session_resumes_after_a_restart_and_after_a_kill() {
    let mut server = Server::start();
    let content = Content::new(fresh_seed(), 6 * MIB + 3);
    let mut client = server.client();
    let mut repository = Repository::new(&mut client, "restarted");
    let location = repository.open_upload().expect("the server answers").expect(202, "POST").location();
    let response = repository.append(&location, &content, 0, 2 * MIB + 1).expect("the server answers");
    let location = response.expect(202, "first PATCH").location();

    assert!(
        server.terminate(Duration::from_secs(20)).success(),
        "SIGTERM ends with success\n{}",
        server.log()
    );
    server.run();
    let mut client = server.client();
    let mut repository = Repository::new(&mut client, "restarted");
    let response = repository.append(&location, &content, 2 * MIB + 1, 4 * MIB).expect("the server answers");
    let location = response.expect(202, "PATCH after a restart").location();

    server.kill();
    server.run();
    let mut client = server.client();
    assert_eq!(upload_offset(&mut client, &location).0, 4 * MIB);
    let mut repository = Repository::new(&mut client, "restarted");
    let digest = content.digest();
    repository
        .close_upload(&location, &content, &digest, 4 * MIB)
        .expect("the server answers")
        .expect(201, "PUT");
    repository.verify_blob(&digest);
}

#[test]
fn after_sigterm_running_requests_finish_and_no_new_ones_are_served() {
    let mut server = Server::start();
    let mut client = server.client();
    let mut repository = Repository::new(&mut client, "drained");
    let pulled = Content::new(fresh_seed(), 64 * MIB);
    let digest = pulled.digest();
    repository.push_blob(&pulled, &digest, Way::Patch).expect("the server answers").expect(201, "push");
    let pushed = Content::new(fresh_seed(), 4 * MIB);
    let location = repository.open_upload().expect("the server answers").expect(202, "POST").location();
    let path = repository.blob_path(&digest);

    thread::scope(|scope| {
        let push = scope.spawn(|| {
            let client = server.client();
            let mut stream = client.connect().expect("the server listens");
            let head = client.head(
                "PATCH",
                &location,
                &[("Content-Type", "application/octet-stream")],
                pushed.len(),
            );
            stream.write_all(&head).expect("the server reads");
            for piece in 0..16 {
                pushed
                    .write(piece * MIB / 4, (piece + 1) * MIB / 4, &mut stream)
                    .expect("the server goes on reading");
                thread::sleep(Duration::from_millis(100));
            }
            read_head(&mut BufReader::new(stream))
                .expect("the server answers before it ends")
                .expect(202, "slow PATCH");
        });
        let pull = scope.spawn(|| {
            let client = server.client();
            let mut stream = client.connect().expect("the server listens");
            stream.write_all(&client.head("GET", &path, &[], 0)).expect("the server reads");
            let mut stream = BufReader::new(stream);
            read_head(&mut stream).expect("the server answers").expect(200, "slow GET");
            let mut hash = hythe_e2e::content::Hashing::new();
            for _ in 0..64 {
                let copied = std::io::copy(&mut (&mut stream).take(MIB), &mut hash)
                    .expect("the server goes on writing");
                assert_eq!(copied, MIB, "the pull ended early");
                thread::sleep(Duration::from_millis(25));
            }
            assert_eq!(hash.finish(), digest);
        });
        thread::sleep(Duration::from_millis(400));
        server.signal(Signal::TERM);
        thread::sleep(Duration::from_millis(300));
        let late = server.client().get("/v2/");
        assert!(
            late.is_err() || late.is_ok_and(|response| response.status == 503),
            "a new request was served"
        );
        push.join().expect("the push finishes");
        pull.join().expect("the pull finishes");
    });
    let status = server.wait(Duration::from_secs(15));
    assert!(status.success(), "SIGTERM ended with {status}");

    server.run();
    let mut client = server.client();
    let (offset, location) = upload_offset(&mut client, &location);
    assert_eq!(offset, pushed.len(), "the drained PATCH was acknowledged");
    let mut repository = Repository::new(&mut client, "drained");
    let response =
        repository.close_upload(&location, &pushed, &pushed.digest(), offset).expect("the server answers");
    response.expect(201, "PUT");
    repository.verify_blob(&pushed.digest());
}

#[test]
fn a_connection_without_progress_is_closed_and_a_slow_reader_is_served() {
    let mut server = Server::new().with_setting("HYTHE_HTTP_PROGRESS_TIMEOUT", "2s");
    server.run();
    let mut client = server.client();
    let content = Content::new(fresh_seed(), 96 * MIB);
    let digest = content.digest();
    let mut repository = Repository::new(&mut client, "slow");
    repository.push_blob(&content, &digest, Way::Patch).expect("the server answers").expect(201, "push");
    let request =
        client.head("GET", &Repository::new(&mut server.client(), "slow").blob_path(&digest), &[], 0);

    let slow = thread::spawn({
        let mut stream = client.connect().expect("the server listens");
        stream.write_all(&request).expect("the server reads");
        move || {
            let mut stream = BufReader::new(stream);
            read_head(&mut stream).expect("the server answers").expect(200, "GET");
            let mut hash = hythe_e2e::content::Hashing::new();
            let mut copied = 0;
            // In all slower than the progress timeout, but never without progress for that long.
            for step in 0..=24 {
                let part = if step < 24 { 2 * MIB } else { 48 * MIB };
                copied +=
                    std::io::copy(&mut (&mut stream).take(part), &mut hash).expect("a slow reader is served");
                thread::sleep(Duration::from_millis(if step < 24 { 250 } else { 0 }));
            }
            assert_eq!((copied, hash.finish()), (96 * MIB, digest));
        }
    });

    let mut dead = client.connect().expect("the server listens");
    dead.write_all(&request).expect("the server reads");
    dead.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket has timeouts");
    thread::sleep(Duration::from_secs(9));
    let mut got = 0;
    let mut buffer = vec![0; 1 << 20];
    // A reset may discard bytes in the kernel; in either case the rest must not arrive.
    while let Ok(count @ 1..) = dead.read(&mut buffer) {
        got += count as u64;
    }
    assert!(got < 96 * MIB, "a reader that slept for 9 s was served all {got} bytes after a deadline of 2 s");
    slow.join().expect("the slow reader gets all");
}

#[test]
fn a_silent_writers_connection_is_closed_and_its_session_can_be_resumed() {
    let mut server = Server::new().with_setting("HYTHE_HTTP_PROGRESS_TIMEOUT", "2s");
    server.run();
    let mut client = server.client();
    let content = Content::new(fresh_seed(), 4 * MIB);
    let mut repository = Repository::new(&mut client, "silent");
    let location = repository.open_upload().expect("the server answers").expect(202, "POST").location();
    let mut stream = client.connect().expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(15))).expect("a socket has timeouts");
    let head =
        client.head("PATCH", &location, &[("Content-Type", "application/octet-stream")], content.len());
    stream.write_all(&head).and_then(|()| content.write(0, MIB, &mut stream)).expect("the server reads");
    let begin = Instant::now();
    let mut rest = Vec::new();
    let ended = stream.read_to_end(&mut rest);
    let timed_out = ended.is_err_and(|error| matches!(error.kind(), std::io::ErrorKind::WouldBlock));
    assert!(!timed_out, "a silent writer still holds its connection after {:?}", begin.elapsed());

    let (offset, location) = upload_offset(&mut client, &location);
    assert!(offset <= MIB, "the session's offset is {offset}, more than was sent");
    let mut repository = Repository::new(&mut client, "silent");
    let response = repository.append(&location, &content, offset, content.len()).expect("the server answers");
    let location = response.expect(202, "PATCH of the rest").location();
    let digest = content.digest();
    let response =
        repository.close_upload(&location, &content, &digest, content.len()).expect("the server answers");
    response.expect(201, "PUT");
    repository.verify_blob(&digest);
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(30), "timed out after 30 s: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
