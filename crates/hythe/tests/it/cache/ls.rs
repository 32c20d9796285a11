//! `hythe cache ls` and `hythe cache stat`.

use serde_json::json;

use super::world::{World, run};

#[test]
fn each_copy_is_listed_with_its_tags_and_size() {
    let world = World::new();
    let empty = world.run(&["ls"]).expect(0);
    assert!(empty.out.starts_with("NAME"), "{}", empty.out);
    assert!(empty.err.contains("hythe cache warm"), "{}", empty.err);
    for tag in ["v1", "v2"] {
        world.image("app", tag, 1);
        world.run(&["warm", &format!("up.example/app:{tag}")]).expect(0);
    }
    let listed = world.run(&["ls"]).expect(0);
    let row = listed.row("up.example/app");
    assert!(row.starts_with("up.example/app v1, v2 49.") && row.contains(" KiB "), "{row}");
    assert!(row.ends_with("just now") || row.ends_with("ago"), "{row}");
    assert!(listed.err.contains("hythe cache clear"), "{}", listed.err);
    let json = world.run(&["ls", "--output", "json", "*:v1"]).json();
    assert_eq!(
        (&json["copies"][0]["name"], &json["copies"][0]["tags"]),
        (&json!("up.example/app"), &json!(["v1"]))
    );
    let nothing = world.run(&["ls", "other/*"]).expect(0);
    assert!(nothing.err.contains("`other/*`"), "{}", nothing.err);
}

#[test]
fn a_list_of_several_pages_is_complete() {
    let world = World::new();
    let images: Vec<String> = (0..120).map(|number| format!("up.example/app{number:03}")).collect();
    for image in &images {
        world.image(image.strip_prefix("up.example/").unwrap(), "latest", 1);
    }
    let arguments: Vec<&str> = ["warm"].into_iter().chain(images.iter().map(String::as_str)).collect();
    world.run(&arguments).expect(0);
    let json = world.run(&["ls", "--output", "json"]).json();
    let names: Vec<&str> =
        json["copies"].as_array().unwrap().iter().map(|copy| copy["name"].as_str().unwrap()).collect();
    assert_eq!(names, images);
}

#[test]
fn stat_shows_each_upstreams_state_and_remaining_budget() {
    let world = World::with(|setup| setup.upstream("quiet.example", &["https://quiet.example".to_owned()]));
    world.upstream.budget(100, 42);
    world.image("app", "v1", 1);
    world.run(&["warm", "up.example/app:v1"]).expect(0);
    let stat = world.run(&["stat"]).expect(0);
    let row = stat.row("up.example");
    assert!(row.ends_with("ok") && row.contains(" of 100"), "{row}");
    assert!(stat.err.contains("no requests since the start: quiet.example"), "{}", stat.err);
    world.upstream.stop();
    world.registry.client().get("/v2/up.example/app/manifests/v9").send();
    let row = world.run(&["stat"]).expect(0).row("up.example");
    assert!(row.contains("failing: 127.0.0.1:") && row.ends_with(": connection refused"), "{row}");
    for _ in 0..2 {
        world.registry.client().get("/v2/up.example/app/manifests/v9").send();
    }
    let row = world.run(&["stat"]).expect(0).row("up.example");
    assert!(row.contains("resting: upstream up.example fails: "), "{row}");
    let json = world.run(&["stat", "--output", "json"]).json();
    assert_eq!(
        json["upstreams"][0],
        json!({
            "name": "quiet.example", "endpoints": ["https://quiet.example"], "allowed": true, "asked": false
        })
    );
}

#[test]
fn the_error_for_a_missing_registry_is_one_paragraph_that_says_what_to_do() {
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    for command in [&["ls"][..], &["stat"], &["clear", "--yes"], &["warm", "redis"]] {
        let ran = run(&[&["cache"], command].concat(), &[("HYTHE_REGISTRY", &address)], "").expect(1);
        let text = ran.err.trim_end();
        assert!(!text.contains('\n') && ran.out.is_empty(), "{}{text}", ran.out);
        assert!(text.starts_with(&format!("error: no registry answers at http://{address}")), "{text}");
        assert!(text.contains("hythe serve") && text.contains("--registry"), "{text}");
    }
}

#[test]
fn another_registry_and_a_bad_address_are_errors() {
    let world = World::new();
    let upstream = world.upstream.endpoint();
    let ran = run(&["cache", "ls", "--registry", &upstream], &[], "").expect(1);
    assert!(ran.err.contains("does not serve hythe's admin API"), "{}", ran.err);
    run(&["cache", "ls", "--registry", "ftp://a"], &[], "").expect(2);
    run(&["cache"], &[], "").expect(2);
}

#[test]
fn requests_to_this_machine_use_no_proxy() {
    let proxy = [("HTTP_PROXY", "http://127.0.0.1:1"), ("http_proxy", "http://127.0.0.1:1")];
    World::new().run_with(&["ls"], &proxy, "").expect(0);
}
