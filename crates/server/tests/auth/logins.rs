//! Names and passwords.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::world::{World, send};

#[test]
fn wrong_credentials_are_refused_also_where_none_are_needed() {
    let world = World::start();
    for (value, code) in [
        (format!("Basic {}", STANDARD.encode("reader:wrong")), "UNAUTHORIZED"),
        (format!("Basic {}", STANDARD.encode("nobody:nobody")), "UNAUTHORIZED"),
        ("Basic ???".to_owned(), "UNAUTHORIZED"),
        ("Digest abc".to_owned(), "UNAUTHORIZED"),
        ("Bearer abc".to_owned(), "UNAUTHORIZED"),
    ] {
        let request = world.client().get("/v2/public/app/manifests/v1").header("authorization", &value);
        let answer = request.send().expect(401);
        assert!(String::from_utf8_lossy(&answer.body).contains(code), "{value}");
        assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"hythe\""), "{value}");
        // The page tells nothing, so its client's credentials do not matter.
        world.client().get("/healthz").header("authorization", &value).send().expect(200);
    }
}

#[test]
fn a_client_that_guesses_must_wait_and_others_need_not() {
    let world = World::start();
    let guess = |who: &str, password: &str| {
        let value = format!("Basic {}", STANDARD.encode(format!("{who}:{password}")));
        world.client().get("/v2/").header("authorization", value).send()
    };
    for _ in 0..10 {
        guess("reader", "wrong").expect(401);
    }
    let answer = guess("reader", "reader").expect(429);
    assert!(answer.header("retry-after").is_some());
    guess("writer", "writer").expect(200);
}

#[test]
fn the_refusal_names_a_rule_that_would_allow_the_request() {
    let world = World::start();
    let answer = send("reader", world.client().post("/v2/team/app/blobs/uploads/")).expect(403);
    let text = String::from_utf8_lossy(&answer.body);
    assert!(text.contains("no rule lets user:reader push to `team/app`"), "{text}");
    assert!(
        text.contains(r#"subjects = [\"user:reader\"], actions = [\"push\"], repositories = [\"team/app\"]"#),
        "{text}"
    );
}

#[test]
fn the_log_names_the_user() {
    let world = World::empty(|_| {});
    world.set_options(|options| options.log_requests = true);
    let answer = send("reader", world.client().get("/v2/")).expect(200);
    assert!(world.registry.log().line_of(&answer).contains(" user=user:reader "));
}

#[test]
fn without_rules_a_user_may_do_everything_and_an_anonymous_client_nothing() {
    let world = World::empty(|auth| auth.policy = std::sync::Arc::default());
    world.fill("team/app");
    for (method, path) in
        [("GET", "/v2/team/app/manifests/v1"), ("DELETE", "/v2/team/app/manifests/v1"), ("POST", "/api/gc")]
    {
        send("anonymous", world.client().request(method, path)).expect(401);
        let answer = send("stranger", world.client().request(method, path));
        assert!(answer.status < 300, "{path}: {}", answer.status);
    }
}
