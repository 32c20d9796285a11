//! `hythe retain` against a registry with rules, and the errors of protected tags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hythe::tables::{RetainTable, Table as _};
use hythe_lifecycle::retention::Rule;
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
    setup
        .server(|options| options.retain = rules.into())
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
fn a_delete_that_a_rule_refuses_names_the_rule() {
    let registry = with_rules(TestRegistry::setup(), "[retain.\"app\"]\nprotect = [\"v*\", \"latest\"]\n");
    image(1).push(&registry.client(), "app", "v1");
    image(1).push(&registry.client(), "app", "other");
    let at = format!("{}/app", registry.address());
    for image in [format!("{at}:v1"), format!("{at}@{}", image(1).digest())] {
        let refused = run(&["rm", &image], &[], "").expect(1);
        assert!(refused.err.contains("protected by the rule retain.\"app\""), "{}", refused.err);
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
