//! Whether `hosts.toml` files are read, by version and configuration.

use super::*;

fn reads(text: &str, version: &str) -> Reads {
    let version = version.parse().unwrap();
    ContainerdConfig::parse(text, version).unwrap().reads(version)
}

#[test]
fn hosts_files_are_read_misread_or_not_read() {
    let from = |roots: &[&str]| Reads::From(roots.iter().map(|&root| root.to_owned()).collect());
    let misread = |roots: &[&str]| Reads::Misread(roots.iter().map(|&root| root.to_owned()).collect());
    let both = ["/etc/containerd/certs.d", "/etc/docker/certs.d"];
    let registry =
        |inner: &str| format!("version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry{inner}\n");
    let images = |inner: &str| format!("version = 3\n[plugins.'io.containerd.cri.v1.images']\n{inner}\n");
    let table = [
        (String::new(), "1.6.20", Reads::Nothing),
        (String::new(), "2.1.4", Reads::Nothing),
        (String::new(), "2.2.0", misread(&both)),
        (registry("]\nconfig_path = '/a'"), "1.7.13", from(&["/a"])),
        (registry("]\nconfig_path = '/a:/b'"), "2.0.2", from(&["/a", "/b"])),
        (registry("]\nconfig_path = '/a:/b'"), "2.3.1", misread(&["/a", "/b"])),
        (registry(".mirrors.x]\nendpoint = ['y']"), "1.7.13", Reads::Nothing),
        (registry(".mirrors.x]\nendpoint = ['y']"), "2.2.1", Reads::Refused("registry.mirrors")),
        (registry(".mirrors.x]\nendpoint = ['y']"), "2.2.2", Reads::Nothing),
        (
            registry("]\nconfig_path = '/a'\nmirrors.x.endpoint = ['y']"),
            "2.3.1",
            Reads::Refused("registry.mirrors"),
        ),
        (
            registry("]\nconfig_path = '/a'\nconfigs.x.tls.ca_file = 'y'"),
            "1.6.20",
            Reads::Refused("registry.configs.*.tls"),
        ),
        (registry("]\nconfig_path = '/a'\nconfigs.x.tls.ca_file = 'y'"), "2.3.1", from(&["/a"])),
        (images("registry.config_path = '/a'"), "2.0.2", from(&["/a"])),
        (images("use_local_image_pull = true"), "2.2.0", from(&both)),
        (images("max_concurrent_downloads = 10"), "2.4.2", from(&both)),
        (images("max_concurrent_downloads = 3"), "2.4.2", misread(&both)),
        (images("discard_unpacked_layers = true"), "2.3.1", from(&both)),
        (images("disable_snapshot_annotations = false"), "2.3.1", from(&both)),
        // The plugin id belongs to another version than the file's.
        (registry("]\nconfig_path = '/a'").replace('2', "3"), "2.1.4", Reads::Nothing),
        (
            "version = 3\n[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = '/a'".to_owned(),
            "2.4.2",
            from(&["/a"]),
        ),
        ("[plugins.cri.registry]\nconfig_path = '/a'".to_owned(), "1.6.20", from(&["/a"])),
        ("[plugins.cri.registry]\nconfig_path = '/a'".to_owned(), "2.4.2", from(&["/a"])),
        (
            "[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = '/a'".to_owned(),
            "1.6.20",
            Reads::Nothing,
        ),
    ];
    for (text, version, expected) in table {
        assert_eq!(reads(&text, version), expected, "{version}: {text}");
    }
}

#[test]
fn imports_and_a_disabled_cri_plugin_are_read() {
    let text = "version = 2\nimports = ['/etc/containerd/conf.d/*.toml']\ndisabled_plugins = ['io.containerd.grpc.v1.cri']\n";
    let settings = ContainerdConfig::parse(text, Version::new(1, 6, 20)).unwrap();
    assert_eq!(settings.imports, ["/etc/containerd/conf.d/*.toml"]);
    assert!(settings.cri_disabled);
}

#[test]
fn an_import_governs_if_it_replaces_a_section_or_sets_a_root() {
    let section = "version = 2\n[plugins.'io.containerd.grpc.v1.cri']\nsandbox_image = 'x'\n";
    let path = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = 'x'\n";
    let table = [
        ("version = 2\n", "1.6.20", false),
        (section, "1.6.20", true),
        (section, "2.0.2", false),
        (path, "2.0.2", true),
    ];
    for (text, version, expected) in table {
        let version = version.parse().unwrap();
        assert_eq!(
            ContainerdConfig::parse(text, version).unwrap().governs(version),
            expected,
            "{version}: {text}"
        );
    }
}
