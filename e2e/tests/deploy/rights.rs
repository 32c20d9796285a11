//! The rights and limits of a server in a Pod, read from its process and not from the Pod's specification.

use hythe_e2e::node::Node;

/// A limit of a process, from control groups of either version.
fn limit(node: &Node, pid: &str, controller: &str, first: &str, second: &str) -> String {
    let groups = node.read(&format!("/proc/{pid}/cgroup")).expect("it runs");
    let mut groups = groups.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        Some((controllers.to_owned(), path.to_owned()))
    });
    let found = groups.find_map(|(controllers, path)| {
        if controllers.split(',').any(|name| name == controller) {
            return node.read(&format!("/sys/fs/cgroup/{controller}{path}/{first}"));
        }
        node.read(&format!("/sys/fs/cgroup{path}/{second}"))
    });
    found.unwrap_or_else(|| panic!("no {controller} of {pid}")).trim().to_owned()
}

/// Asserts that the server's process has no more rights than it needs.
pub(crate) fn expect_locked(node: &Node) {
    let pid = node.run(&["pgrep", "-n", "-f", "^/bin/hythe serve"]);
    let status = node.read(&format!("/proc/{pid}/status")).expect("it runs");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap_or_else(|| panic!("{name} in {status}")).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        (field("Uid"), field("Gid")),
        ("1000 1000 1000 1000".to_owned(), "1000 1000 1000 1000".to_owned())
    );
    assert_eq!((field("CapEff"), field("CapBnd")), ("0".repeat(16), "0".repeat(16)));
    assert_eq!((field("NoNewPrivs"), field("Seccomp")), ("1".to_owned(), "2".to_owned()));
    let mounts = node.read(&format!("/proc/{pid}/mountinfo")).expect("it runs");
    let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).expect("a root");
    assert!(
        root.split(' ').nth(5).is_some_and(|options| options.split(',').any(|word| word == "ro")),
        "{root}"
    );
    let memory = limit(node, &pid, "memory", "memory.limit_in_bytes", "memory.max");
    let cpu = limit(node, &pid, "cpu", "cpu.cfs_quota_us", "cpu.max");
    println!("limits: memory {memory}, cpu {cpu}");
    assert_eq!(memory, (256 << 20).to_string());
    assert!(cpu == "20000" || cpu == "20000 100000", "{cpu}");
}
