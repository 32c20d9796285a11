//! Several ranges in one request for a blob that an upstream has.

use hythe_testing::bytes;

use crate::world::{UPSTREAM, World, cache};

#[test]
fn several_ranges_of_a_blob_are_served_during_its_fetch_and_afterwards() {
    let world = World::new();
    let content = bytes(1, 3 << 20);
    let blob = world.upstream.push_blob("app", &content);
    for how in ["miss", "hit"] {
        let request = world.client().get(format!("/v2/{UPSTREAM}/app/blobs/{blob}"));
        let answer = request.header("range", "bytes=2000000-2000999,0-99,-1").send().expect(206);
        assert_eq!(cache(&answer), how);
        assert!(answer.expect_header("content-type").starts_with("multipart/byteranges; boundary="));
        let holds =
            |wanted: &[u8]| answer.body.windows(wanted.len()).position(|window| window == wanted).unwrap();
        let places = [holds(&content[2_000_000..2_001_000]), holds(&content[..100])];
        assert!(places[0] < places[1], "the parts are in the requested order");
    }
}
