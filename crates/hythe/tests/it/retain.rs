//! `hythe retain` against a registry with rules, and the errors of protected tags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hythe::tables::{RetainTable, Table as _};
use hythe_lifecycle::retention::{Limits, Rule};
use hythe_testing::{ImageBuilder, IndexBuilder, Manifest, Setup, TestRegistry};
use serde_json::{Value, json};

use crate::cache::world::{Ran, run};
use crate::world::World;

const DAY: Duration = Duration::from_hours(24);

fn image(seed: u64) -> Manifest {
    ImageBuilder::new(seed).layers(1, 500).build()
}

/// A registry with the rules of these tables.
fn with_rules(setup: Setup, tables: &str) -> TestRegistry {
    let settings = World::new().file("hythe.toml", tables).load().unwrap().settings;
    let rules: Vec<Rule> = settings.retain.rules();
    let protections = settings.retain.protections();
    let limits = Limits { images: settings.retain.max_images, percent: settings.retain.max_percent };
    setup
        .server(|options| (options.retention.rules, options.retention.limits) = (rules.into(), limits))
        .registry(|options| options.protect = protections)
        .start()
}

fn retain(registry: &TestRegistry, more: &[&str]) -> Ran {
    let address = registry.address().to_string();
    run(&[&["retain", "--registry", &address], more].concat(), &[], "")
}

/// Every file of a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut waiting) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                files.insert(path.clone(), std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

#[test]
fn a_dry_run_names_for_each_image_the_rule_that_decides_and_touches_nothing() {
    let tables = "\
[retain.\"team/*\"]
newest = 1
untagged-after = \"7d\"
expire = [\"pr-*=3d\"]
[retain.\"*:v*\"]
protect = [\"v1\"]
";
    let mut registry = with_rules(TestRegistry::setup(), tables);
    let client = registry.client();
    let index = IndexBuilder::new().manifest(image(10)).build();
    index.push(&client, "team/app", "v1");
    image(2).push(&client, "team/app", "old");
    image(3).push(&client, "team/app", image(3).digest());
    image(4).push(&client, "team/app", "pr-1");
    image(5).push(&client, "other", "old");
    registry.pass(8 * DAY);
    image(6).push(&client, "team/app", "new");
    registry.stop();
    let before = files(registry.folder());
    assert!(before.keys().any(|path| path.ends_with("catalog.sqlite")) && before.len() > 10);
    registry.restart();
    let dry = retain(&registry, &["--dry-run"]).expect(0);
    let column = |line: &str| {
        line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect::<Vec<_>>().join(" | ")
    };
    let lines: Vec<String> = dry.out.lines().map(column).collect();
    let loose = image(3).digest();
    let expected = [
        "VERDICT | IMAGE | RULE | REASON".to_owned(),
        "keep | team/app:new | retain.\"team/*\" | newest = 1".to_owned(),
        "delete | team/app:old | retain.\"team/*\" | no criterion keeps it".to_owned(),
        "delete | team/app:pr-1 | retain.\"team/*\" | expired: pushed more than 3d ago".to_owned(),
        "keep | team/app:v1 | retain.\"*:v*\" | protect = \"v1\"".to_owned(),
        format!(
            "delete | team/app@{loose} | retain.\"team/*\" | untagged, and neither pushed nor pulled for 7d"
        ),
        "keep | other:old | - | no rule deletes it".to_owned(),
    ];
    let sorted = |lines: &[String]| lines.iter().cloned().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(sorted(&lines), sorted(&expected), "{}", dry.out);
    assert!(dry.err.contains("would delete 3 images of 6 (3 manifests) in 2 repositories"), "{}", dry.err);
    let json = retain(&registry, &["--dry-run", "--output", "json", "--repository", "team/*"]).json();
    assert_eq!((&json["summary"]["images"], &json["summary"]["deleted"]), (&json!(5), &json!(3)));
    let old = json["images"].as_array().unwrap().iter().find(|image| image["tag"] == "old").unwrap();
    assert_eq!((&old["stays"], &old["rule"]), (&json!(false), &json!("retain.\"team/*\"")));
    let none = retain(&registry, &["--dry-run", "--repository", "nobody/*"]).expect(0);
    assert!(none.out.is_empty() && none.err.contains("everything stays"), "{}{}", none.out, none.err);
    registry.stop();
    let after = files(registry.folder());
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (path, bytes) in &before {
        assert!(after[path] == *bytes, "{} changed", path.display());
    }
}

/// A registry with ten old images and one young one, each with an index, a signature and a blob of its own.
fn grown(tables: &str) -> TestRegistry {
    let registry = with_rules(TestRegistry::setup(), tables);
    for number in 0..11 {
        if number == 10 {
            registry.pass(8 * DAY);
        }
        let index = IndexBuilder::new().manifest(image(number)).build();
        index.push(&registry.client(), "app", format!("b{number}"));
        let signature =
            ImageBuilder::artifact(100 + number, "application/x-signature").subject(&index).build();
        signature.push(&registry.client(), "app", signature.digest());
    }
    registry
}

#[test]
fn a_run_deletes_exactly_what_its_dry_run_showed_and_keeps_every_kept_image_whole() {
    let registry = grown("[retain]\nmax-percent = 100\n[retain.\"*\"]\nnewest = 1\ntags = [\"b0\"]\n");
    let dry = retain(&registry, &["--dry-run"]).expect(0);
    assert_eq!(dry.out.lines().filter(|line| line.starts_with("delete")).count(), 9, "{}", dry.out);
    let ran = retain(&registry, &[]).expect(0);
    assert!(ran.err.contains("deleted 9 tags and 27 manifests"), "{}", ran.err);
    assert_eq!(
        registry.client().get("/v2/app/tags/list").send().expect(200).json()["tags"],
        json!(["b0", "b10"])
    );
    let totals = registry.totals();
    assert_eq!((totals.tags, totals.manifests), (2, 6));
    for number in [0, 10] {
        let index = IndexBuilder::new().manifest(image(number)).build();
        let client = registry.client();
        client.get(format!("/v2/app/manifests/{}", index.manifests[0].digest())).send().expect(200);
        let referrers = client.get(format!("/v2/app/referrers/{}", index.digest())).send().expect(200).json();
        assert_eq!(referrers["manifests"].as_array().unwrap().len(), 1);
    }
    let again = retain(&registry, &["--output", "json"]).json();
    assert_eq!((&again["run"]["tags"], &again["run"]["summary"]["deleted"]), (&json!(0), &json!(0)));
    let metrics = String::from_utf8(registry.client().get("/metrics").send().expect(200).body).unwrap();
    for line in [
        "hythe_retain_runs_total 2",
        "hythe_retain_tags_total 9",
        "hythe_retain_manifests_total 27",
        "hythe_retain_stopped 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[test]
fn a_run_that_would_delete_much_stops_and_only_the_very_plan_can_be_confirmed() {
    for limit in ["", "[retain]\nmax-percent = 100\nmax-images = 9\n"] {
        let registry = grown(&format!("{limit}[retain.\"*\"]\nnewest = 1\n"));
        let stopped = retain(&registry, &[]).expect(11);
        assert!(
            stopped.err.contains("deleted nothing: the rules would delete 10 images of 11"),
            "{}",
            stopped.err
        );
        assert_eq!(registry.totals().tags, 11);
        let plan = retain(&registry, &["--dry-run", "--output", "json"]).json()["summary"].clone();
        assert_eq!(plan["needs_confirmation"], json!(true));
        let plan = plan["plan"].as_str().unwrap().to_owned();
        let again = format!("`hythe retain --yes {plan} --registry {}`", registry.address());
        assert!(stopped.err.contains(&again), "{}", stopped.err);
        let metrics = String::from_utf8(registry.client().get("/metrics").send().expect(200).body).unwrap();
        assert!(metrics.contains("hythe_retain_stopped 1"), "{metrics}");
        // One image more that goes: the plan is another one.
        registry.client().delete("/v2/app/manifests/b9").send().expect(202);
        let changed = retain(&registry, &["--yes", &plan]).expect(11);
        assert!(changed.err.contains("another one than the confirmed plan"), "{}", changed.err);
        let plan = retain(&registry, &["--dry-run", "--output", "json"]).json()["summary"]["plan"].clone();
        retain(&registry, &["--yes", plan.as_str().unwrap()]).expect(0);
        assert_eq!(
            registry.client().get("/v2/app/tags/list").send().expect(200).json()["tags"],
            json!(["b10"])
        );
    }
}

#[test]
fn what_a_run_deletes_frees_its_space_after_the_grace_period() {
    let registry = grown("[retain]\nmax-percent = 100\n[retain.\"*\"]\nnewest = 1\n");
    retain(&registry, &[]).expect(0);
    registry.pass(2 * DAY);
    registry.client().post("/api/gc").send().expect(200);
    // An image, with its configuration and layer, and a signature with two blobs.
    assert_eq!(registry.totals().blobs, 4);
}

#[test]
fn a_run_is_refused_if_deletes_are_turned_off() {
    let registry = with_rules(
        TestRegistry::setup().without_delete(),
        "[retain]\nmax-percent = 100\n[retain.\"*\"]\nexpire = \"pr=1s\"\n",
    );
    image(1).push(&registry.client(), "app", "pr");
    image(2).push(&registry.client(), "app", "v1");
    registry.pass(DAY);
    let refused = retain(&registry, &[]).expect(1);
    assert!(refused.err.contains("delete.enabled"), "{}", refused.err);
    assert_eq!(registry.totals().tags, 2);
}

#[test]
fn a_plan_of_many_images_comes_in_parts() {
    let registry = with_rules(TestRegistry::setup().memory(), "[retain.\"*\"]\nnewest = 1\n");
    let image = image(1);
    image.push_blobs(&registry.client(), "app");
    let tags: Vec<String> = (0..5050).map(|number| format!("t{number:04}")).collect();
    for tags in tags.chunks(100) {
        let query: Vec<String> = tags.iter().map(|tag| format!("tag={tag}")).collect();
        let path = format!("/v2/app/manifests/{}?{}", image.digest(), query.join("&"));
        registry
            .client()
            .put(path)
            .header("content-type", &image.media_type)
            .body(&image.bytes)
            .send()
            .expect(201);
    }
    let first: Value = registry.client().get("/api/retain").send().expect(200).json();
    assert_eq!((&first["next"], first["images"].as_array().unwrap().len()), (&json!("app:t4999"), 5000));
    let last: Value = registry.client().get("/api/retain?after=app:t4999").send().expect(200).json();
    assert_eq!(
        (&last["next"], &last["summary"], &last["images"][0]["tag"]),
        (&json!(null), &json!(null), &json!("t5000"))
    );
    assert_eq!(
        retain(&registry, &["--dry-run", "--output", "json"]).json()["images"].as_array().unwrap().len(),
        5050
    );
    registry.client().get("/api/retain?after=nowhere").send().expect(400);
}

#[test]
fn what_a_cluster_runs_stays_and_the_dry_run_names_the_cluster() {
    let registry =
        with_rules(TestRegistry::setup(), "[retain]\nmax-percent = 100\n[retain.\"*\"]\nnewest = 1\n");
    let client = registry.client();
    let index = IndexBuilder::new().manifest(image(1)).build();
    index.push(&client, "app", "run");
    for (seed, tag) in [(2, "old"), (3, "new")] {
        registry.pass(8 * DAY);
        image(seed).push(&client, "app", tag);
    }
    // A node knows the image by the digest of its config.
    let config = hythe_oci::Digest::of(image(1).algorithm, &image(1).blobs[0]);
    let digests = json!({ "digests": [config] }).to_string();
    client.put("/api/running/kind-dev").body(digests.as_bytes()).send().expect(200);
    let dry = retain(&registry, &["--dry-run"]).expect(0);
    assert!(dry.out.contains("the cluster kind-dev runs it"), "{}", dry.out);
    assert!(dry.err.contains("would delete 1 image of 3 (1 manifest) in 1 repository"), "{}", dry.err);
    retain(&registry, &[]).expect(0);
    client.get("/v2/app/manifests/old").send().expect(404);
    client.get("/v2/app/manifests/run").send().expect(200);
    for reference in [index.digest(), image(1).digest()] {
        client.get(format!("/v2/app/manifests/{reference}")).send().expect(200);
    }
    // The cluster runs something else now.
    client.put("/api/running/kind-dev").body(b"{\"digests\":[]}").send().expect(200);
    retain(&registry, &[]).expect(0);
    client.get("/v2/app/manifests/run").send().expect(404);
}

#[test]
fn a_repository_without_images_is_not_counted() {
    let registry = with_rules(TestRegistry::setup(), "[retain.\"*\"]\nnewest = 1\n");
    let client = registry.client();
    image(1).push(&client, "app", "v1");
    image(2).push_blobs(&client, "empty");
    let dry = retain(&registry, &["--dry-run"]).expect(0);
    assert!(dry.err.contains("would delete 0 images of 1 (0 manifests) in 1 repository"), "{}", dry.err);
}

#[test]
fn a_delete_that_a_rule_refuses_names_the_rule() {
    let registry = with_rules(TestRegistry::setup(), "[retain.\"app\"]\nprotect = [\"v*\", \"latest\"]\n");
    image(1).push(&registry.client(), "app", "v1");
    image(1).push(&registry.client(), "app", "other");
    let at = format!("{}/app", registry.address());
    for image in [format!("{at}:v1"), format!("{at}@{}", image(1).digest())] {
        let refused = run(&["rm", &image], &[], "").expect(1);
        assert!(refused.err.contains("protected by the rule retain.\"app\""), "{}", refused.err);
        assert!(!refused.err.contains("credentials"), "{}", refused.err);
    }
    run(&["rm", &format!("{at}:other")], &[], "").expect(0);
}

#[test]
fn the_tables_of_rules_are_read_shown_and_checked() {
    let tables = "\
[retain.\"team/*\"]
newest = 10
semver-newest = 3
pushed-within = \"30d\"
pulled-within = \"14d\"
tags = [\"v*\", \"latest\"]
untagged-after = \"1h\"
expire = \"pr-*=3d\"
protect = \"v*\"
[retain.empty]
[retain.\"app:v*\"]
untagged-after = \"1h\"
";
    let world = World::new().file("hythe.toml", tables);
    let loaded = world.load().unwrap();
    let lines: Vec<String> = loaded.table_lines().into_iter().map(|line| line.toml).collect();
    for (field, value) in [
        ("newest", "10"),
        ("semver-newest", "3"),
        ("pushed-within", "\"30d\""),
        ("pulled-within", "\"14d\""),
        ("tags", "[\"v*\",\"latest\"]"),
        ("untagged-after", "\"1h\""),
        ("expire", "[\"pr-*=3d\"]"),
        ("protect", "[\"v*\"]"),
    ] {
        let line = format!("retain.\"team/*\".{field} = {value}");
        assert!(lines.contains(&line), "{lines:#?} lacks {line}");
    }
    assert_eq!(RetainTable::fields().len(), 8);
    let warnings = world.warnings();
    assert!(warnings.contains("hythe.toml:10:9: this rule has no key, so it has no effect"), "{warnings}");
    assert!(warnings.contains("write it in a rule for whole repositories"), "{warnings}");
    for (wrong, said) in [
        ("newest = 0", "from 1 to"),
        ("newest = \"10\"", "without quotes"),
        ("tags = []", "write at least one"),
        ("protect = \"app:v1\"", "write a tag such as"),
        ("expire = [\"pr-*\"]", "write PATTERN=DURATION"),
        ("keep = 3", "there is no key `retain.\"app\".keep`"),
    ] {
        let error = World::new().file("hythe.toml", &format!("[retain.\"app\"]\n{wrong}\n")).error();
        assert!(error.contains(said), "{wrong}: {error}");
    }
}
