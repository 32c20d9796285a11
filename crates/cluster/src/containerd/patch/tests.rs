//! Each form of the file gets the one change that it needs, and no other.

use proptest::prelude::*;
use toml_edit::{DocumentMut, Item};

use super::*;

const V16: Version = Version::new(1, 6, 20);
const V21: Version = Version::new(2, 1, 4);
const V22: Version = Version::new(2, 2, 0);
const V24: Version = Version::new(2, 4, 2);

/// kind's own file, shortened.
const KIND: &str = r#"# explicitly use v2 config format
version = 2

[proxy_plugins]
# fuse-overlayfs is used for rootless
[proxy_plugins."fuse-overlayfs"]
  type = "snapshot"

[plugins."io.containerd.grpc.v1.cri".containerd]
  # save disk space when using a single snapshotter
  discard_unpacked_layers = true

[plugins."io.containerd.grpc.v1.cri"]
  # use fixed sandbox image
  sandbox_image = "registry.k8s.io/pause:3.10"
  tolerate_missing_hugetlb_controller = true
"#;

/// `containerd config default` of 1.6.20, shortened.
const DEFAULT_1_6: &str = r#"disabled_plugins = []
imports = []
version = 2

[plugins]

  [plugins."io.containerd.grpc.v1.cri"]
    max_concurrent_downloads = 3

    [plugins."io.containerd.grpc.v1.cri".containerd]
      disable_snapshot_annotations = true
      discard_unpacked_layers = false

    [plugins."io.containerd.grpc.v1.cri".registry]
      config_path = ""

      [plugins."io.containerd.grpc.v1.cri".registry.auths]

      [plugins."io.containerd.grpc.v1.cri".registry.configs]

      [plugins."io.containerd.grpc.v1.cri".registry.headers]

      [plugins."io.containerd.grpc.v1.cri".registry.mirrors]

  [plugins."io.containerd.internal.v1.opt"]
    path = "/opt/containerd"
"#;

/// `containerd config default` of 2.4.2, shortened.
const DEFAULT_2_4: &str = r"version = 4
imports = ['/etc/containerd/conf.d/*.toml']

[plugins]
  [plugins.'io.containerd.cri.v1.images']
    snapshotter = 'overlayfs'
    disable_snapshot_annotations = true
    discard_unpacked_layers = false
    max_concurrent_downloads = 3
    use_local_image_pull = false

    [plugins.'io.containerd.cri.v1.images'.registry]
      config_path = ''

    [plugins.'io.containerd.cri.v1.images'.image_decryption]
      key_model = 'node'
";

fn changed(text: &str, version: Version) -> String {
    match patch(text, version) {
        Ok(Patch::Change { text, .. }) => text,
        other => panic!("{other:?} of {text}"),
    }
}

#[test]
fn a_file_gets_its_root_and_keeps_the_rest() {
    let two = "config_path = \"\"";
    let set = "config_path = \"/etc/containerd/certs.d\"";
    let header = "[plugins.\"io.containerd.grpc.v1.cri\".registry]\n";
    let table = [
        ("", V16, format!("version = 2\n\n{header}{set}\n")),
        ("# nothing yet\n", V24, format!("version = 2\n\n{header}{set}\n# nothing yet\n")),
        (
            DEFAULT_1_6,
            V16,
            DEFAULT_1_6
                .replace(two, set)
                .replace("\n      [plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors]\n", "")
                .replace("\n      [plugins.\"io.containerd.grpc.v1.cri\".registry.configs]\n", ""),
        ),
        (DEFAULT_2_4, V24, DEFAULT_2_4.replace("config_path = ''", set)),
        (
            KIND,
            V21,
            KIND.replace("unpacked_layers = true\n", &format!("unpacked_layers = true\n\n{header}{set}\n")),
        ),
        ("root = '/x'\n", V16, format!("root = '/x'\n\n[plugins.cri.registry]\n{set}\n")),
        (
            "[plugins.'io.containerd.grpc.v1.cri']\nx = 1\n",
            V21,
            format!(
                "[plugins.'io.containerd.grpc.v1.cri']\nx = 1\n\n[plugins.'io.containerd.grpc.v1.cri'.registry]\n{set}\n"
            ),
        ),
        (
            "version = 3\n",
            V21,
            format!("version = 3\n\n[plugins.\"io.containerd.cri.v1.images\".registry]\n{set}\n"),
        ),
        (
            "version = 3\n[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = ''\n",
            V21,
            format!(
                "version = 3\n[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = ''\n\n[plugins.\"io.containerd.cri.v1.images\".registry]\n{set}\n"
            ),
        ),
        (
            "version = 2\nplugins = {'io.containerd.grpc.v1.cri' = {x = 1}}\n",
            V16,
            format!(
                "version = 2\nplugins = {{'io.containerd.grpc.v1.cri' = {{x = 1, registry = {{ {set} }} }}}}\n"
            ),
        ),
    ];
    for (text, version, expected) in table {
        assert_eq!(changed(text, version), expected, "{version}: {text}");
    }
}

#[test]
fn a_file_with_a_root_that_containerd_reads_is_not_changed() {
    let set =
        |id: &str, path: &str| format!("version = 2\n[plugins.'{id}'.registry]\nconfig_path = '{path}'\n");
    let own = set(CRI_2, "/srv/certs.d");
    let both = set(CRI_2, "/a:/b");
    let default = "/etc/containerd/certs.d:/etc/docker/certs.d";
    let table = [
        (own.as_str(), V16, "/srv/certs.d"),
        (own.as_str(), V24, "/srv/certs.d"),
        (both.as_str(), V16, "/a:/b"),
        // kind's own configuration rules out the transfer service, so both default roots are read.
        (KIND, V22, default),
        (&set(IMAGES, "/x"), V21, "/x"),
    ];
    for (text, version, roots) in table {
        let roots = roots.split(':').map(str::to_owned).collect();
        assert_eq!(patch(text, version), Ok(Patch::NothingToDo { roots }), "{version}: {text}");
    }
}

#[test]
fn two_roots_become_one_where_the_transfer_service_would_misread_them() {
    let text = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = '/a:/b' # both\n";
    assert_eq!(
        changed(text, V24),
        "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = \"/a\" # both\n"
    );
    // The default of 2.2 has two.
    assert!(changed("version = 2\n", V22).contains("config_path = \"/etc/containerd/certs.d\""));
}

#[test]
fn settings_that_cannot_be_combined_with_a_root_are_returned_as_files() {
    let text = r#"version = 2
# the registry for all of us
[plugins."io.containerd.grpc.v1.cri".registry.mirrors."localhost:5001"]
  endpoint = ["http://kind-registry:5000"]
[plugins."io.containerd.grpc.v1.cri".registry.configs."reg:8443".tls]
  ca_file = "/ca.crt"
[plugins."io.containerd.grpc.v1.cri".registry.configs."reg:8443".auth]
  username = "u"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/opt/cni/bin" # stays
"#;
    for version in [V16, V21, V22, V24] {
        let Ok(Patch::Change { text, root, moved, credentials }) = patch(text, version) else {
            panic!("{version}: nothing changes")
        };
        let expected = r#"version = 2

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "/etc/containerd/certs.d"
[plugins."io.containerd.grpc.v1.cri".registry.configs."reg:8443".auth]
  username = "u"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/opt/cni/bin" # stays
"#;
        assert_eq!(text, expected, "{version}");
        let hosts: Vec<_> = moved.iter().map(|moved| moved.host.as_str()).collect();
        assert_eq!((root.as_str(), hosts), (CONFIG_PATH, vec!["localhost:5001", "reg:8443"]));
        assert_eq!(credentials, ["reg:8443"]);
    }
}

#[test]
fn a_second_patch_changes_nothing() {
    let mirrors = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.x]\nendpoint = ['y']\n";
    for text in ["", "# x", DEFAULT_1_6, DEFAULT_2_4, KIND, "root = '/x'\n", "version = 3\n", mirrors] {
        for version in [V16, V21, V24] {
            let Ok(Patch::Change { text, root, .. }) = patch(text, version) else { continue };
            let nothing = Patch::NothingToDo { roots: vec![root] };
            assert_eq!(patch(&text, version), Ok(nothing), "{version}: {text}");
        }
    }
}

#[test]
fn an_error_says_why_a_file_cannot_be_changed() {
    let table = [
        ("version = 2\n[plugins\n", "containerd's configuration: line 2 is not TOML"),
        ("# File generated by k3s. DO NOT EDIT. Use config.toml.tmpl instead.\nversion = 2\n", "k3s wrote"),
        ("disabled_plugins = ['cri']\n", "`disabled_plugins` switches"),
        ("version = 5\n", "containerd's configuration has `version = 5`"),
        ("plugins = 1\n", "`plugins` in containerd's configuration is not a table"),
        ("version = 2\n[plugins]\n'io.containerd.grpc.v1.cri' = 1\n", "`io.containerd.grpc.v1.cri` in"),
        ("version = 'two'\n", "`version` in"),
    ];
    for (text, expected) in table {
        let error = patch(text, V16).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

/// Every value with its path, except for the settings that a patch changes.
fn rest(text: &str) -> Vec<(String, String)> {
    fn collect(item: &Item, path: &str, values: &mut Vec<(String, String)>) {
        match item.as_table_like() {
            Some(table) => {
                for (key, item) in table.iter() {
                    collect(item, &format!("{path}/{key}"), values);
                }
            }
            None => values.push((path.to_owned(), item.to_string().trim().to_owned())),
        }
    }
    let document: DocumentMut = text.parse().unwrap();
    let mut values = Vec::new();
    collect(document.as_item(), "", &mut values);
    values.retain(|(path, _)| {
        !["/registry/config_path", "/registry/mirrors/", "/tls/"].iter().any(|own| path.contains(own))
    });
    values.sort();
    values
}

proptest! {
    #[test]
    fn a_change_is_made_once_and_keeps_everything_else(
        form in prop::sample::select(vec!["", "version = 2\n", "version = 3\n", "version = 4\n"]),
        tables in prop::sample::subsequence(
            vec![
                "[grpc] # sockets\n  address = '/run/x'\n  uid = 0\n",
                "# of CRI\n[plugins.ID]\n  sandbox_image = 'pause' # small\n",
                "[plugins.ID.cni]\n  bin_dir = '/opt'\n",
                "[plugins.ID.registry.mirrors.'docker.io']\n  endpoint = ['http://m:5000']\n",
                "[plugins.ID.registry.configs.'m:5000'.tls]\n  ca_file = '/ca'\n",
                "[plugins.ID.registry.configs.'m:5000'.auth]\n  username = 'u' # who\n",
                "[plugins.ID.registry.headers]\n  X = ['y']\n",
                "[plugins.other]\n  list = [ 1,\n    2 ]\n",
            ],
            0..=8,
        ).prop_shuffle(),
        path in prop::sample::select(vec!["", "[plugins.ID.registry]\n  config_path = ''\n", "[plugins.ID.registry]\nconfig_path = '/a:/b' # both\n"]),
        version in prop::sample::select(vec![V16, V21, V22, V24]),
    ) {
        let id = match form {
            "" => CRI_1,
            "version = 2\n" => CRI_2,
            _ if version < V21 => CRI_2,
            _ => IMAGES,
        };
        let text = format!("root = '/x' # here\n{form}{path}{}", tables.concat()).replace("ID", &format!("'{id}'"));
        match patch(&text, version).unwrap() {
            Patch::NothingToDo { roots } => prop_assert!(!roots.is_empty()),
            Patch::Change { text: changed, root, moved, .. } => {
                prop_assert_eq!(patch(&changed, version), Ok(Patch::NothingToDo { roots: vec![root] }), "{}", changed);
                prop_assert_eq!(rest(&changed), rest(&text));
                for comment in ["# here", "# sockets", "# small", "# who", "# both"] {
                    prop_assert_eq!(changed.contains(comment), text.contains(comment), "{}", changed);
                }
                prop_assert_eq!(moved.len(), tables.iter().filter(|table| {
                    table.contains("mirrors") || table.contains("tls")
                }).count());
            }
        }
    }
}
