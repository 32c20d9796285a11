//! Users' configurations before and after the additions.

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

fn kind_config(text: &str, options: &KindOptions) -> Result<String, KindConfigError> {
    super::kind_config(text, options).map(|merged| merged.text)
}

fn root_only(text: &str) -> Result<String, KindConfigError> {
    kind_config(text, &KindOptions::default())
}

#[test]
fn without_a_file_a_complete_one_is_made() {
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
fn items_are_added_to_each_form_of_a_list() {
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
fn nodes_in_flow_style_and_windows_line_endings_work() {
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
        // kind skips a patch with another version than its own file's.
        format!("{HEAD}{}", PATCH.replace("  [plugins", "  version = 3\n  [plugins")),
    ];
    for text in texts {
        let once = kind_config(&text, &all()).unwrap();
        assert_ne!(once, text);
        assert_eq!(kind_config(&once, &all()), Ok(once.clone()), "{once}");
    }
}

#[test]
fn an_error_says_where_and_why_a_file_is_not_changed() {
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
        (format!("{HEAD}containerdConfigPatches: &a []\n"), "line 3: hythe cannot edit this form"),
        (format!("{HEAD}containerdConfigPatches: ~\n"), "line 3: hythe cannot edit this form"),
        (format!("{HEAD}nodes: &n\n- role: control-plane\nother: *n\n"), "line "),
        (format!("{HEAD}---\n{HEAD}"), "line 4: a second"),
        (
            "kind: Cluster\napiVersion: kind.sigs.k8s.io/v1alpha3\n".to_owned(),
            "this is not a configuration of a kind",
        ),
        ("- x\n".to_owned(), "this is not a configuration of a kind"),
        ("a: [".to_owned(), "line "),
        (
            format!("{HEAD}nodes:\n- extraMounts:\n  - hostPath: /else\n    containerPath: {DATA_PATH}\n"),
            "line 5: `/else` is already mounted",
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

/// The example from kind's page on ingress, whose list items are not indented.
const INGRESS: &str = "\
nodes:
- role: control-plane
  extraPortMappings:
  - containerPort: 80
    hostPort: 80
    protocol: TCP
";

#[test]
fn a_mount_and_a_port_are_added_where_lists_are_not_indented() {
    let expected = format!(
        "{HEAD}{INGRESS}  - containerPort: 30500
    hostPort: 30500
    listenAddress: \"127.0.0.1\"
  extraMounts:
  - hostPath: /srv/registry
    containerPath: /mnt/local-storage/registry
{PATCH}"
    );
    assert_eq!(kind_config(&format!("{HEAD}{INGRESS}"), &all()), Ok(expected));
}

#[test]
fn flow_style_keeps_its_comments_and_its_last_comma_and_json_stays_json() {
    let text = format!("{HEAD}nodes: [\n  {{role: control-plane}}, # first\n  {{role: worker}}, # last\n]\n");
    let result = kind_config(&text, &all()).unwrap();
    assert!(result.contains("}, # first\n") && result.contains("}]}, # last\n]\n"), "{result}");
    let text =
        r#"{"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [{"role": "worker"}, {}]}"#;
    let result = kind_config(text, &all()).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&result).is_ok(), "{result}");
}

#[test]
fn the_kind_configuration_in_a_ctlptl_cluster_is_changed() {
    let head = "apiVersion: ctlptl.dev/v1alpha1\nkind: Registry\n---\napiVersion: ctlptl.dev/v1alpha1\nkind: Cluster\nproduct: kind\n";
    let indented = |text: &str| text.lines().map(|line| format!("  {line}\n")).collect::<Vec<_>>().concat();
    let within = format!("{head}kindV1Alpha4Cluster:\n  name: x\n");
    assert_eq!(root_only(&within), Ok(format!("{within}{}", indented(PATCH))));
    assert_eq!(root_only(head), Ok(format!("{head}kindV1Alpha4Cluster:\n{}", indented(PATCH))));
    let other = head.replace("product: kind", "product: minikube");
    assert_eq!(root_only(&other), Err(KindConfigError::NotKind));
}

#[test]
fn patches_of_every_form_are_read_and_the_error_has_the_files_that_replace_them() {
    let toml = |id: &str| {
        format!(
            "containerdConfigPatches:\n- |-\n  [plugins.\"{id}\".registry.mirrors.\"r.corp:5000\"]\n    endpoint = [\"http://m:5000\"]\n- |-\n  [plugins.\"{id}\".registry.configs.\"s.corp\".tls]\n    insecure_skip_verify = true\n    ca_file = \"/ca.crt\"\n"
        )
    };
    let json = format!(
        "containerdConfigPatchesJSON6902:\n- '[{{\"op\": \"add\", \"path\": \"/plugins/{PLUGIN}/registry/mirrors\", \"value\": {{\"r.corp:5000\": {{\"endpoint\": [\"http://m:5000\"]}}}}}}, {{\"op\": \"add\", \"path\": \"/plugins/{PLUGIN}/registry/configs/s.corp/tls\", \"value\": {{\"insecure_skip_verify\": true, \"ca_file\": \"/ca.crt\"}}}}]'\n"
    );
    let alias = format!(
        "x: &p |\n{}y: *p\n",
        toml(PLUGIN).lines().skip(2).take(2).map(|line| format!("{line}\n")).collect::<Vec<_>>().concat()
    );
    let alias = alias.replace("y: *p", "containerdConfigPatches: [*p]");
    for (patches, has_tls) in [(toml(PLUGIN), true), (toml(IMAGES), true), (json, true), (alias, false)] {
        let error = root_only(&format!("{HEAD}{patches}")).unwrap_err().to_string();
        assert!(error.contains("this patch sets `registry.mirrors`"), "{error}");
        let mirror = "# /etc/containerd/certs.d/r.corp:5000/hosts.toml\nserver = \"https://r.corp:5000\"\n\n[host.\"http://m:5000\"]";
        assert!(error.contains(mirror), "{error}");
        let tls = "# /etc/containerd/certs.d/s.corp/hosts.toml\nserver = \"https://s.corp\"\nca = [\"/ca.crt\"]\nskip_verify = true";
        assert_eq!(error.contains(tls), has_tls, "{error}");
    }
}

#[test]
fn a_root_under_containerd_2_s_plugin_id_is_added_for_every_version() {
    let text = format!("{HEAD}{}", PATCH.replace(PLUGIN, IMAGES).replace("/etc/containerd/certs.d", "/mine"));
    let result = root_only(&text).unwrap();
    assert_eq!(result.matches("config_path = \"/mine\"").count(), 2, "{result}");
    assert!(result.contains(PLUGIN), "{result}");
    let removed = format!(
        "{HEAD}{PATCH}containerdConfigPatchesJSON6902: ['[{{\"op\": \"remove\", \"path\": \"/plugins/{PLUGIN}/registry\"}}]']\n"
    );
    assert!(matches!(root_only(&removed), Err(KindConfigError::Shape { .. })));
}

#[test]
fn a_root_of_several_folders_is_noted_or_refused() {
    let text = format!("{HEAD}{}", PATCH.replace("/etc/containerd/certs.d", "/a:/b"));
    let merged = super::kind_config(&text, &KindOptions::default()).unwrap();
    assert_eq!((merged.text.as_str(), merged.notes.len()), (text.as_str(), 1));
    assert!(
        merged.notes[0].starts_with("line 5: `config_path = \"/a:/b\"` names several folders"),
        "{:?}",
        merged.notes
    );
    let transfers =
        format!("{text}- |-\n  [plugins.\"{PLUGIN}\".containerd]\n    discard_unpacked_layers = false\n");
    assert!(matches!(root_only(&transfers), Err(KindConfigError::Misread { .. })));
}

#[test]
fn a_port_that_the_configuration_uses_already_is_refused() {
    let node =
        |mapping: &str| format!("{HEAD}nodes:\n- role: control-plane\n  extraPortMappings:\n  - {mapping}\n");
    let port = KindOptions { data: None, node_port: Some(30500) };
    for mapping in [
        "{containerPort: 80, hostPort: 30500}",
        "{containerPort: 80, hostPort: 30500, protocol: tcp, listenAddress: 127.0.0.1}",
    ] {
        let error = kind_config(&node(mapping), &port).unwrap_err();
        assert_eq!(error, KindConfigError::PortTaken { line: 6, port: 30500 }, "{mapping}");
    }
    let api = format!("{HEAD}networking: {{apiServerPort: 30500}}\n");
    for nodes in ["", "nodes: [{}]\n"] {
        let error = kind_config(&format!("{api}{nodes}"), &port).unwrap_err();
        assert_eq!(error, KindConfigError::PortTaken { line: 3, port: 30500 });
    }
    for mapping in [
        "{containerPort: 80, hostPort: 30500, protocol: UDP}",
        "{containerPort: 80, hostPort: 30500, listenAddress: 192.168.1.2}",
        "{containerPort: 30500, hostPort: 30500, protocol: UDP}",
    ] {
        let result = kind_config(&node(mapping), &port).unwrap();
        assert!(result.contains("listenAddress: \"127.0.0.1\""), "{result}");
    }
}

#[test]
fn a_node_port_is_one_that_a_service_can_have() {
    let port = KindOptions { data: None, node_port: Some(5000) };
    assert_eq!(kind_config(HEAD, &port), Err(KindConfigError::NodePort { port: 5000 }));
    let range = format!("{HEAD}kubeadmConfigPatches: ['service-node-port-range: 1024-65535']\n");
    assert!(kind_config(&range, &port).is_ok());
}

#[test]
fn a_merged_list_is_not_hidden_by_a_new_one() {
    let text = format!(
        "{HEAD}x: &base\n  extraMounts:\n  - hostPath: /a\n    containerPath: /b\nnodes:\n- role: control-plane\n  <<: *base\n"
    );
    let folder = KindOptions { data: Some("/srv".to_owned()), node_port: None };
    assert!(matches!(kind_config(&text, &folder), Err(KindConfigError::Shape { line: 8, .. })));
}
