//! The registry's own users, and the tokens of users and robots.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hythe_testing::Answer;

use crate::world::{World, send};

fn log_in(world: &World, name: &str, password: &str) -> Answer {
    let value = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
    world.client().get("/v2/").header("authorization", value).send()
}

fn set_password(world: &World, name: &str, password: &str) -> Answer {
    let body = serde_json::json!({ "password": password }).to_string();
    send("boss", world.client().put(format!("/api/users/{name}")).body(body))
}

/// Creates a token; returns its id and the token.
fn create(world: &World, query: &str) -> (String, String) {
    let answer = send("boss", world.client().post(format!("/api/tokens?{query}"))).expect(200).json();
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

#[test]
fn a_user_logs_in_with_the_password_that_an_administrator_set() {
    let world = World::empty(|_| {});
    assert_eq!(set_password(&world, "dora", "first password").expect(200).json()["created"], true);
    log_in(&world, "dora", "first password").expect(200);
    assert_eq!(set_password(&world, "dora", "second password").expect(200).json()["created"], false);
    // The old one ends at once, although it was verified a moment ago.
    log_in(&world, "dora", "first password").expect(401);
    log_in(&world, "dora", "second password").expect(200);
    let users = send("boss", world.client().get("/api/users")).expect(200).json();
    assert_eq!(users["users"][0]["name"], "dora");
    assert!(!users.to_string().contains("argon2"), "{users}");
    send("boss", world.client().delete("/api/users/dora")).expect(204);
    log_in(&world, "dora", "second password").expect(401);
    send("boss", world.client().delete("/api/users/dora")).expect(404);
}

#[test]
fn a_name_or_a_password_that_cannot_be_used_is_refused() {
    let world = World::empty(|_| {});
    for (name, password, says) in [
        ("dora", "short", "8 to 1024 bytes"),
        ("do:ra", "long enough", "not a user's name"),
        ("do%20ra", "long enough", "not a user's name"),
    ] {
        let answer = set_password(&world, name, password).expect(400);
        assert!(String::from_utf8_lossy(&answer.body).contains(says), "{name}");
    }
    let broken = world.client().put("/api/users/dora").body("{\"password\": hunter2}");
    let answer = send("boss", broken).expect(400);
    assert!(!String::from_utf8_lossy(&answer.body).contains("hunter2"), "the error quotes the password");
}

#[test]
fn a_token_is_a_password_until_it_ends_or_is_revoked() {
    let world = World::empty(|_| {});
    let (id, secret) = create(&world, "subject=robot:ci&note=build%20server&valid=3600");
    for name in ["ci", "whoever"] {
        log_in(&world, name, &secret).expect(200);
    }
    let bearer =
        |secret: &str| world.client().get("/v2/").header("authorization", format!("Bearer {secret}")).send();
    bearer(&secret).expect(200);
    let tokens = send("boss", world.client().get("/api/tokens?subject=robot:ci")).expect(200).json();
    let token = &tokens["tokens"][0];
    assert_eq!((token["id"].as_str(), token["note"].as_str()), (Some(id.as_str()), Some("build server")));
    assert!(token["last_use"].is_string() && token["expires"].is_string(), "{token}");
    let digits = secret.rsplit_once('_').unwrap().1;
    assert!(!tokens.to_string().contains(digits), "the list has the secret part");
    // A robot has the permissions of its rules, and no more.
    world
        .client()
        .get("/v2/team/app/tags/list")
        .header("authorization", format!("Bearer {secret}"))
        .send()
        .expect(403);
    world.registry.pass(Duration::from_secs(3601));
    bearer(&secret).expect(401);
    let (id, secret) = create(&world, "subject=robot:ci");
    bearer(&secret).expect(200);
    send("boss", world.client().delete(format!("/api/tokens/{id}"))).expect(204);
    bearer(&secret).expect(401);
    send("boss", world.client().delete(format!("/api/tokens/{id}"))).expect(404);
}

#[test]
fn a_personal_token_ends_with_its_user() {
    let world = World::empty(|_| {});
    set_password(&world, "dora", "long enough").expect(200);
    let (_, secret) = create(&world, "subject=user:dora");
    log_in(&world, "dora", &secret).expect(200);
    send("boss", world.client().delete("/api/users/dora")).expect(204);
    log_in(&world, "dora", &secret).expect(401);
}

#[test]
fn a_token_of_nobody_cannot_be_created() {
    let world = World::empty(|_| {});
    for (query, status) in [
        ("subject=user:nobody", 404),
        ("subject=workload:x", 400),
        ("subject=ci", 400),
        ("", 400),
        ("subject=robot:ci&valid=0", 400),
        ("subject=robot:ci&valid=1h", 400),
        ("subject=robot:ci&note=a%0Ab", 400),
    ] {
        send("boss", world.client().post(format!("/api/tokens?{query}"))).expect(status);
    }
}
