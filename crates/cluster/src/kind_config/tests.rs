//! What people have in their files, and what they have afterwards.

use proptest::prelude::*;

use super::*;

const HEAD: &str = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n";
const PATCH: &str = "\
containerdConfigPatches:
- |-
  [plugins.\"io.containerd.grpc.v1.cri\".registry]
    config_path = \"/etc/containerd/certs.d\"
";

fn all() -> KindOptions {
    KindOptions { data: Some("/srv/registry".to_owned()), node_port: Some(30500) }
}

fn root_only(text: &str) -> Result<String, KindConfigError> {
    kind_config(text, &KindOptions::default())
}

#[test]
fn without_a_file_a_whole_one_is_made() {
    assert_eq!(root_only(""), Ok(format!("{HEAD}{PATCH}")));
    assert_eq!(root_only("# mine"), Ok(format!("# mine\n{HEAD}{PATCH}")));
    let nodes = "\
nodes:
- role: control-plane
  extraMounts:
  - hostPath: /srv/registry
    containerPath: /mnt/local-storage/registry
  extraPortMappings:
  - containerPort: 30500
    hostPort: 30500
    listenAddress: \"127.0.0.1\"
";
    assert_eq!(kind_config("", &all()), Ok(format!("{HEAD}{PATCH}{nodes}")));
}

#[test]
fn a_file_keeps_its_order_and_its_comments() {
    let text = "\
# our cluster
apiVersion: kind.x-k8s.io/v1alpha4 # the only one
kind: Cluster
nodes:
  # one of each
  - role: control-plane
    kubeadmConfigPatches:
      - |
        kind: InitConfiguration

        nodeRegistration: {}

    # not yet: image
  - role: worker # small
    extraMounts:
      - hostPath: /x
        containerPath: /y

# the end
";
    let expected = "\
# our cluster
apiVersion: kind.x-k8s.io/v1alpha4 # the only one
kind: Cluster
nodes:
  # one of each
  - role: control-plane
    kubeadmConfigPatches:
      - |
        kind: InitConfiguration

        nodeRegistration: {}
    extraMounts:
    - hostPath: /srv/registry
      containerPath: /mnt/local-storage/registry
    extraPortMappings:
    - containerPort: 30500
      hostPort: 30500
      listenAddress: \"127.0.0.1\"

    # not yet: image
  - role: worker # small
    extraMounts:
      - hostPath: /x
        containerPath: /y
      - hostPath: /srv/registry
        containerPath: /mnt/local-storage/registry
containerdConfigPatches:
- |-
  [plugins.\"io.containerd.grpc.v1.cri\".registry]
    config_path = \"/etc/containerd/certs.d\"

# the end
";
    assert_eq!(kind_config(text, &all()).unwrap(), expected);
}

#[test]
fn each_way_to_write_a_list_is_added_to() {
    let table = [
        (
            "containerdConfigPatches:\n  - |-\n    [debug]\n      level = \"debug\"\n# end\n",
            "containerdConfigPatches:\n  - |-\n    [debug]\n      level = \"debug\"\n  - |-\n    [plugins.\"io.containerd.grpc.v1.cri\".registry]\n      config_path = \"/etc/containerd/certs.d\"\n# end\n",
        ),
        (
            "containerdConfigPatches: []\n",
            "containerdConfigPatches: [\"[plugins.\\\"io.containerd.grpc.v1.cri\\\".registry]\\n  config_path = \\\"/etc/containerd/certs.d\\\"\"]\n",
        ),
        (
            "containerdConfigPatches: ['x = 1' ] # flow\n",
            "containerdConfigPatches: ['x = 1', \"[plugins.\\\"io.containerd.grpc.v1.cri\\\".registry]\\n  config_path = \\\"/etc/containerd/certs.d\\\"\" ] # flow\n",
        ),
        (
            "containerdConfigPatches: # none\nname: é\n",
            "containerdConfigPatches: # none\n- |-\n  [plugins.\"io.containerd.grpc.v1.cri\".registry]\n    config_path = \"/etc/containerd/certs.d\"\nname: é\n",
        ),
        ("name: x", &format!("name: x\n{PATCH}")),
    ];
    for (text, expected) in table {
        assert_eq!(root_only(&format!("{HEAD}{text}")), Ok(format!("{HEAD}{expected}")), "{text}");
    }
}

#[test]
fn nodes_in_flow_style_and_lines_that_end_in_two_characters_work() {
    let text = format!("{HEAD}nodes: [{{role: control-plane}}, {{}}]\n").replace('\n', "\r\n");
    let result = kind_config(&text, &all()).unwrap();
    let mount = "extraMounts: [{hostPath: /srv/registry, containerPath: /mnt/local-storage/registry}]";
    let port = "extraPortMappings: [{containerPort: 30500, hostPort: 30500, listenAddress: \"127.0.0.1\"}]";
    assert!(
        result.contains(&format!("nodes: [{{role: control-plane, {mount}, {port}}}, {{{mount}}}]\r\ncont")),
        "{result}"
    );
    assert_eq!(result.matches('\n').count(), result.matches("\r\n").count());
}

#[test]
fn only_the_clusters_document_changes() {
    let text = format!("kind: ConfigMap\n---\n{HEAD}---\nkind: Secret\n");
    let expected = format!("kind: ConfigMap\n---\n{HEAD}{PATCH}---\nkind: Secret\n");
    assert_eq!(root_only(&text), Ok(expected));
}

#[test]
fn what_is_there_is_not_added_again() {
    let own = format!(
        "{HEAD}containerdConfigPatches:\n- |-\n  [plugins.\"io.containerd.grpc.v1.cri\".registry]\n    config_path = \"/mine\"\n"
    );
    assert_eq!(root_only(&own), Ok(own.clone()));
    let texts = [
        String::new(),
        HEAD.to_owned(),
        format!("{HEAD}nodes:\n- role: control-plane\n- role: worker\n"),
        format!("{HEAD}nodes: [{{}}]\ncontainerdConfigPatches: []\n"),
        // kind skips a patch of another version than its own file's.
        format!("{HEAD}{}", PATCH.replace("  [plugins", "  version = 3\n  [plugins")),
    ];
    for text in texts {
        let once = kind_config(&text, &all()).unwrap();
        assert_ne!(once, text);
        assert_eq!(kind_config(&once, &all()), Ok(once.clone()), "{once}");
    }
}

#[test]
fn what_is_not_changed_says_where_and_why() {
    let patch = |inner: &str| {
        format!("{HEAD}containerdConfigPatches:\n- |-\n  [plugins.\"{PLUGIN}\".registry{inner}\n")
    };
    let table = [
        (
            patch(".mirrors.\"localhost:5001\"]\n    endpoint = [\"x\"]"),
            "line 5: this patch sets `registry.mirrors`",
        ),
        (patch(".configs.x.tls]"), "line 5: this patch sets `registry.configs.tls`"),
        (patch(""), "line 5: this patch cannot be applied: its line 1 is not TOML"),
        (format!("{HEAD}containerdConfigPatches: &a []\n"), "line 3: this is written"),
        (format!("{HEAD}containerdConfigPatches: ~\n"), "line 3: this is written"),
        (format!("{HEAD}containerdConfigPatches: ['x = 1',]\n"), "line 1: this is written"),
        (format!("{HEAD}nodes: &n\n- role: control-plane\nother: *n\n"), "line "),
        (format!("{HEAD}---\n{HEAD}"), "line 4: a second"),
        (
            "kind: Cluster\napiVersion: kind.sigs.k8s.io/v1alpha3\n".to_owned(),
            "this is no configuration of a kind",
        ),
        ("- x\n".to_owned(), "this is no configuration of a kind"),
        ("a: [".to_owned(), "line "),
        (
            format!("{HEAD}nodes:\n- extraMounts:\n  - hostPath: /else\n    containerPath: {DATA_PATH}\n"),
            "line 5: `/else` is mounted",
        ),
    ];
    for (text, expected) in table {
        match kind_config(&text, &all()) {
            Err(error) => assert!(error.to_string().starts_with(expected), "{error}"),
            // An anchor elsewhere does no harm.
            Ok(result) => assert!(text.contains("&n"), "{result}"),
        }
    }
}

proptest! {
    #[test]
    fn a_file_only_grows_and_grows_once(
        block in prop::sample::subsequence(
            vec![
                "name: x # mine",
                "# a comment\n\nnetworking:\n  ipFamily: dual",
                "nodes:\n- role: worker\n  # image\n  labels: {a: b}\n- role: control-plane\n",
                "containerdConfigPatches:\n# first\n  - |\n    [debug]\n      level = \"debug\"\n\n",
                "featureGates: {A: true}",
            ],
            0..=5,
        ).prop_shuffle(),
        data in prop::option::of("/[a-z :#\"']{0,12}"),
        node_port in prop::option::of(30000_u16..32768),
    ) {
        let text = format!("{HEAD}{}", block.join("\n"));
        let options = KindOptions { data, node_port };
        let once = kind_config(&text, &options).unwrap();
        prop_assert_eq!(kind_config(&once, &options), Ok(once.clone()));
        let mut lines = once.lines();
        for line in text.lines() {
            prop_assert!(lines.any(|kept| kept == line), "{} is not kept in\n{}", line, once);
        }
    }
}
