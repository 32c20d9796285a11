//! Every subject with every request: allowed if and only if the table says so.

use hythe_oci::{Algorithm, Digest};
use hythe_testing::{Answer, Request};

use crate::world::{BLOB, REPOSITORIES, WHO, World, digest, manifest, send};

/// What a subject may do in a repository, in letters: p(ull), P(ush), t (retag), d(elete). Written by hand, from the rules.
fn rights(who: &str, repository: &str) -> &'static str {
    match (who, repository) {
        ("root", _) => "pPtd",
        (_, "public/app") | ("reader", "team/app") => "p",
        ("writer", "team/app") => "pP",
        ("mover", "team/app") => "pPt",
        ("deleter", "team/app") => "d",
        _ => "",
    }
}

/// Whether the rights have one of these letters.
fn has(who: &str, repository: &str, letters: &str) -> bool {
    rights(who, repository).chars().any(|letter| letters.contains(letter))
}

/// Checks that a request was allowed, or refused in the way that its client needs.
#[track_caller]
fn check(what: &str, who: &str, is_allowed: bool, answer: &Answer) {
    let is_refused = matches!(answer.status, 401 | 403);
    assert_eq!(
        !is_refused,
        is_allowed,
        "{who}: {what}: {} {:?}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    if is_refused {
        // A client without credentials is asked for them; another one would be asked again and again.
        let expected = if who == "anonymous" { 401 } else { 403 };
        assert_eq!(answer.status, expected, "{who}: {what}");
        assert_eq!(answer.header("www-authenticate").is_some(), expected == 401, "{who}: {what}");
    }
}

/// The requests in a repository, each with the letters of which a client needs one.
fn requests(world: &World, repository: &str) -> Vec<(String, Request, &'static str)> {
    let client = world.client();
    let blob = Digest::of(Algorithm::Sha256, BLOB);
    let at = |rest: &str| format!("/v2/{repository}/{rest}");
    let one = digest("one");
    let upload = send("root", client.post(at("blobs/uploads/"))).expect(202).location();
    let put = |reference: String, note: &str| {
        let request = client.put(at(&format!("manifests/{reference}")));
        request.header("content-type", "application/vnd.oci.image.manifest.v1+json").body(manifest(note))
    };
    let requests = [
        ("pull a manifest by tag", client.get(at("manifests/v1")), "p"),
        ("pull a manifest by digest", client.get(at(&format!("manifests/{one}"))), "p"),
        ("ask for a manifest", client.head(at("manifests/v1")), "pP"),
        ("pull a blob", client.get(at(&format!("blobs/{blob}"))), "p"),
        ("ask for a blob", client.head(at(&format!("blobs/{blob}"))), "pP"),
        ("pull what is not there", client.get(at("manifests/none")), "p"),
        ("list tags", client.get(at("tags/list")), "p"),
        ("list referrers", client.get(at(&format!("referrers/{one}"))), "p"),
        ("start an upload", client.post(at("blobs/uploads/")), "P"),
        ("push a blob at once", client.post(at("blobs/uploads/")).query("digest", blob).body(BLOB), "P"),
        ("ask for another's upload", client.get(upload.clone()), "P"),
        ("append to another's upload", client.patch(upload.clone()).body("x"), "P"),
        ("push a manifest", put(digest("three").to_string(), "three"), "P"),
        ("create a tag", put("new".to_owned(), "one"), "P"),
        ("push a tag again", put("v1".to_owned(), "one"), "P"),
        ("move a tag", put("v1".to_owned(), "two"), "t"),
        ("cancel another's upload", client.delete(upload), "P"),
        ("delete a tag", client.delete(at("manifests/v1")), "d"),
        ("delete a manifest", client.delete(at(&format!("manifests/{one}"))), "d"),
        ("delete a blob", client.delete(at(&format!("blobs/{blob}"))), "d"),
        ("use a method that does not exist", client.request("BREW", at("manifests/v1")), "P"),
    ];
    requests.map(|(what, request, letters)| (format!("{what} in {repository}"), request, letters)).into()
}

#[test]
fn each_subject_may_do_in_a_repository_what_its_rules_say() {
    let world = World::start();
    let mut count = 0;
    for who in WHO {
        for repository in REPOSITORIES {
            for (what, request, letters) in requests(&world, repository) {
                world.fill(repository);
                let answer = send(who, request);
                check(&what, who, has(who, repository, letters), &answer);
                if answer.status == 401 || answer.status == 403 {
                    // A refusal changed nothing.
                    let tag = send("root", world.client().head(format!("/v2/{repository}/manifests/v1")));
                    assert_eq!(tag.expect(200).digest(), digest("one"), "{who}: {what}");
                }
                count += 1;
            }
        }
    }
    assert!(count >= 500, "{count}");
}

#[test]
fn a_blob_is_mounted_only_from_where_the_client_may_pull() {
    let world = World::start();
    let blob = Digest::of(Algorithm::Sha256, b"only in the source");
    for source in REPOSITORIES {
        let upload = world.client().post(format!("/v2/{source}/blobs/uploads/")).query("digest", blob);
        send("root", upload.body("only in the source")).expect(201);
        for who in WHO {
            for target in REPOSITORIES.into_iter().filter(|target| *target != source) {
                for from in [Some(source), None] {
                    let mut request =
                        world.client().post(format!("/v2/{target}/blobs/uploads/")).query("mount", blob);
                    if let Some(from) = from {
                        request = request.query("from", from);
                    }
                    let answer = send(who, request);
                    let what = format!("mount into {target} from {from:?}");
                    check(&what, who, has(who, target, "P"), &answer);
                    if answer.status < 400 {
                        // Any repository is the source only for one who may pull from all.
                        let may = if from.is_some() { has(who, source, "p") } else { who == "root" };
                        assert_eq!(answer.status, if may { 201 } else { 202 }, "{who}: {what}");
                    }
                    let gone = world.client().delete(format!("/v2/{target}/blobs/{blob}"));
                    send("root", gone);
                }
            }
        }
        send("root", world.client().delete(format!("/v2/{source}/blobs/{blob}"))).expect(202);
    }
}

#[test]
fn the_list_of_repositories_has_those_that_the_client_may_pull_from() {
    let world = World::start();
    // A client that has not been asked for its login would be content with a shorter list.
    send("anonymous", world.client().get("/v2/_catalog")).expect(401);
    for who in WHO.into_iter().filter(|who| *who != "anonymous") {
        let answer = send(who, world.client().get("/v2/_catalog")).expect(200);
        let json = answer.json();
        let listed: Vec<&str> =
            json["repositories"].as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
        let mut expected: Vec<&str> = REPOSITORIES.into_iter().filter(|name| has(who, name, "p")).collect();
        expected.sort_unstable();
        assert_eq!(listed, expected, "{who}");
    }
}

#[test]
fn pages_of_the_whole_registry_need_their_own_actions() {
    let world = World::start();
    let client = world.client();
    for who in WHO {
        for (method, path) in [
            ("GET", "/api/disk"),
            ("POST", "/api/gc"),
            ("POST", "/api/verify"),
            ("GET", "/api/retain"),
            ("GET", "/api/cache/copies"),
            ("GET", "/api/cache/upstreams"),
            ("DELETE", "/api/cache/copies?pattern=*"),
            ("GET", "/api/deleted/manifests"),
            ("POST", "/api/undelete?repository=team/app&tag=v1"),
            ("GET", "/api/backup/records"),
            ("POST", "/api/leases"),
            ("PUT", "/api/running/kind"),
            ("GET", "/api/users"),
            ("PUT", "/api/users/eve"),
            ("DELETE", "/api/users/eve"),
            ("GET", "/api/tokens"),
            ("POST", "/api/tokens?subject=robot:eve"),
            ("DELETE", "/api/tokens/0123"),
            ("GET", "/metrics"),
        ] {
            let answer = send(who, client.request(method, path));
            check(path, who, matches!(who, "boss" | "root"), &answer);
        }
        for path in ["/v2/", "/v2/_oci/ext/discover"] {
            check(path, who, who != "anonymous", &send(who, client.get(path)));
        }
        for path in ["/", "/healthz", "/livez", "/readyz"] {
            send(who, client.get(path)).expect(200);
        }
    }
}
