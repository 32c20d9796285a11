//! The token server, and what its tokens allow.

use hythe_server::Challenge;
use hythe_testing::{Answer, Request};

use crate::world::{World, digest, send};

fn bearer(request: Request, token: &str) -> Request {
    request.header("authorization", format!("Bearer {token}"))
}

fn token_of(answer: &Answer) -> String {
    let json = answer.json();
    assert_eq!(json["token"], json["access_token"]);
    assert!(json["expires_in"].as_u64().unwrap() >= 60);
    json["token"].as_str().unwrap().to_owned()
}

fn world() -> World {
    let world = World::empty(|auth| auth.challenge = Challenge::Token);
    world.fill("team/app");
    world.fill("public/app");
    world
}

impl World {
    /// A token of a user for these scopes.
    fn token(&self, who: &str, scopes: &[&str]) -> String {
        let mut request = self.client().get("/token").query("service", "hythe");
        for scope in scopes {
            request = request.query("scope", scope);
        }
        token_of(&send(who, request).expect(200))
    }
}

#[test]
fn the_challenge_names_the_token_server_and_the_scope() {
    let world = world();
    let port = world.registry.address().port();
    let realm = format!("Bearer realm=\"http://localhost:{port}/token\",service=\"hythe\"");
    for (request, scope) in [
        (world.client().get("/v2/"), None),
        (world.client().get("/v2/team/app/manifests/v1"), Some("repository:team/app:pull")),
        (world.client().post("/v2/team/app/blobs/uploads/"), Some("repository:team/app:pull,push")),
        (world.client().delete("/v2/team/app/manifests/v1"), Some("repository:team/app:delete")),
    ] {
        let answer = request.send().expect(401);
        let expected = scope.map_or_else(|| realm.clone(), |scope| format!("{realm},scope=\"{scope}\""));
        assert_eq!(answer.header("www-authenticate"), Some(expected.as_str()));
    }
}

#[test]
fn a_token_allows_what_was_asked_for_and_the_rules_allow() {
    let world = world();
    let pull = world.token("writer", &["repository:team/app:pull"]);
    let get = || world.client().get("/v2/team/app/manifests/v1");
    let push = || world.client().post("/v2/team/app/blobs/uploads/");
    bearer(get(), &pull).send().expect(200);
    let answer = bearer(push(), &pull).send().expect(401);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.contains("scope=\"repository:team/app:pull,push\""), "{challenge}");
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    let both = world.token("writer", &["repository:team/app:pull,push repository:public/app:pull"]);
    bearer(push(), &both).send().expect(202);
    bearer(world.client().get("/v2/public/app/manifests/v1"), &both).send().expect(200);
    // More than the rules allow is left out.
    let all = world.token("writer", &["repository:team/app:*"]);
    bearer(push(), &all).send().expect(202);
    bearer(world.client().delete("/v2/team/app/manifests/v1"), &all).send().expect(403);
    let none = world.token("writer", &[]);
    bearer(world.client().get("/v2/"), &none).send().expect(200);
    bearer(get(), &none).send().expect(401);
}

#[test]
fn an_anonymous_client_gets_a_token_for_what_everyone_may_do() {
    let world = world();
    let token = world.token("anonymous", &["repository:public/app:pull,push", "repository:team/app:pull"]);
    bearer(world.client().get("/v2/public/app/manifests/v1"), &token).send().expect(200);
    bearer(world.client().get("/v2/team/app/manifests/v1"), &token).send().expect(401);
    bearer(world.client().post("/v2/public/app/blobs/uploads/"), &token).send().expect(401);
}

#[test]
fn a_token_for_the_catalog_lists_what_its_client_may_pull() {
    let world = world();
    let list = |token: &str| bearer(world.client().get("/v2/_catalog"), token).send();
    for (who, expected) in [("anonymous", &["public/app"][..]), ("reader", &["public/app", "team/app"])] {
        let token = world.token(who, &["registry:catalog:*"]);
        let json = list(&token).expect(200).json();
        let listed: Vec<&str> =
            json["repositories"].as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
        assert_eq!(listed, expected, "{who}");
        let answer = list(&world.token(who, &["repository:public/app:pull"])).expect(401);
        assert!(answer.header("www-authenticate").unwrap().contains("registry:catalog:*"), "{who}");
    }
}

#[test]
fn a_token_cannot_be_exchanged_for_another_one() {
    let world = world();
    let token = world.token("writer", &["repository:team/app:pull"]);
    let request = world.client().get("/token").query("scope", "repository:team/app:push");
    bearer(request, &token).send().expect(401);
}

#[test]
fn a_form_with_a_password_gets_a_token() {
    let world = world();
    let post = |form: &str| {
        let request = world.client().post("/token");
        request.header("content-type", "application/x-www-form-urlencoded").body(form).send()
    };
    let form = "grant_type=password&service=hythe&client_id=c&username=writer&password=writer&scope=repository%3Ateam%2Fapp%3Apull+repository%3Apublic%2Fapp%3Apull";
    let token = token_of(&post(form).expect(200));
    for name in ["team/app", "public/app"] {
        bearer(world.client().get(format!("/v2/{name}/manifests/v1")), &token).send().expect(200);
    }
    post("grant_type=password&username=writer&password=wrong").expect(401);
    post("grant_type=password&username=writer").expect(400);
    post("grant_type=refresh_token&refresh_token=x").expect(400);
    post("grant_type=%zz").expect(400);
}

#[test]
fn the_public_keys_are_there_for_other_registries() {
    let world = world();
    let json = world.client().get("/token/keys").send().expect(200).json();
    let key = &json["keys"][0];
    assert_eq!((key["kty"].as_str(), key["crv"].as_str()), (Some("EC"), Some("P-256")));
    assert!(key["kid"].is_string() && key.get("d").is_none());
}

#[test]
fn malformed_scopes_and_other_methods_are_refused() {
    let world = world();
    let client = world.client();
    client.get("/token").query("scope", "nonsense").send().expect(400);
    send("writer", client.get("/token").query("scope", "repository:UPPER:pull")).expect(200);
    client.put("/token").send().expect(405);
    client.post("/token/keys").send().expect(405);
    client.get("/token/other").send().expect(404);
    // Without authentication there is no token server.
    let open = hythe_testing::Setup::default().memory().start();
    open.client().get("/token").send().expect(404);
}

#[test]
fn a_manifest_pushed_with_a_token_is_there() {
    let world = world();
    let token = world.token("mover", &["repository:team/app:pull,push"]);
    let request = world.client().put("/v2/team/app/manifests/v1");
    let request = request.header("content-type", "application/vnd.oci.image.manifest.v1+json");
    bearer(request.body(crate::world::manifest("two")), &token).send().expect(201);
    let answer = bearer(world.client().head("/v2/team/app/manifests/v1"), &token).send().expect(200);
    assert_eq!(answer.digest(), digest("two"));
}
