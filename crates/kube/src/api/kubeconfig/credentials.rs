//! Tidies the credentials in a kubeconfig: people and tools write them with blanks at their ends, or empty.

use std::path::Path;

use http::HeaderValue;
use kube::config::{AuthInfo, Cluster, ExecConfig, Kubeconfig};

use super::KubeconfigError;

/// Reads each text as kubectl does: an empty text means none, and blanks around a text are not part of it.
pub(super) fn tidy(kubeconfig: &mut Kubeconfig) {
    trim(&mut kubeconfig.current_context);
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        tidy_cluster(cluster);
    }
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        tidy_user(user);
    }
}

fn tidy_cluster(cluster: &mut Cluster) {
    trim(&mut cluster.server);
    trim(&mut cluster.proxy_url);
    trim(&mut cluster.tls_server_name);
    unwrap_lines(&mut cluster.certificate_authority_data);
    drop_folder(&mut cluster.certificate_authority);
}

fn tidy_user(user: &mut AuthInfo) {
    unwrap_lines(&mut user.client_certificate_data);
    let mut key = secret(user, "client-key-data");
    unwrap_lines(&mut key);
    set_secret(user, "client-key-data", key);
    for file in [&mut user.client_certificate, &mut user.client_key, &mut user.token_file] {
        drop_folder(file);
    }
    let mut token = secret(user, "token");
    trim(&mut token);
    // If both a token and a token file are given, kubectl uses the file's, or the other if it cannot read the file.
    if let Some(text) = user.token_file.as_deref().and_then(|file| std::fs::read_to_string(file).ok()) {
        let trimmed = text.trim();
        if trimmed == text {
            token = None;
        } else {
            // The client would send the blanks too, so hythe reads the file itself, once. Long commands read it again.
            token = Some(trimmed.to_owned());
            user.token_file = None;
        }
    } else if token.is_some() {
        user.token_file = None;
    }
    set_secret(user, "token", token);
}

/// A secret's text. Only serde opens the secret's type without a further dependency.
fn secret(user: &AuthInfo, field: &str) -> Option<String> {
    Some(serde_json::to_value(user).ok()?.get(field)?.as_str()?.to_owned())
}

fn set_secret(user: &mut AuthInfo, field: &str, secret: Option<String>) {
    let Ok(mut value) = serde_json::to_value(&*user) else { return };
    value[field] = secret.into();
    if let Ok(changed) = serde_json::from_value(value) {
        *user = changed;
    }
}

fn trim(text: &mut Option<String>) {
    let trimmed = text.as_deref().map(str::trim).filter(|text| !text.is_empty());
    *text = trimmed.map(str::to_owned);
}

/// Joins the lines of a Base64 text.
fn unwrap_lines(text: &mut Option<String>) {
    let whole = text.as_deref().map(|text| text.split_whitespace().collect::<String>());
    *text = whole.filter(|text| !text.is_empty());
}

/// Drops a path that is empty. The kube library has made it absolute, so it names the kubeconfig's own folder.
fn drop_folder(path: &mut Option<String>) {
    if path.as_deref().is_some_and(|path| path.trim().is_empty() || Path::new(path).is_dir()) {
        *path = None;
    }
}

fn user<'a>(kubeconfig: &'a Kubeconfig, context: &str) -> Option<(&'a str, &'a AuthInfo)> {
    let context = kubeconfig.contexts.iter().find(|named| named.name == context)?.context.as_ref()?;
    let named = kubeconfig.auth_infos.iter().find(|named| Some(&named.name) == context.user.as_ref())?;
    Some((&named.name, named.auth_info.as_ref()?))
}

/// Fails if the context's token cannot be sent in a header.
pub(in crate::api) fn check_token(kubeconfig: &Kubeconfig, context: &str) -> Result<(), KubeconfigError> {
    let Some((name, user)) = user(kubeconfig, context) else { return Ok(()) };
    let file = user.token_file.as_deref().and_then(|file| std::fs::read_to_string(file).ok());
    let provided = user.auth_provider.as_ref().and_then(|provider| provider.config.get("id-token").cloned());
    let inline = secret(user, "token");
    let is_sound = |token: &String| HeaderValue::from_str(token).is_ok();
    if [file, provided, inline].iter().flatten().all(is_sound) {
        return Ok(());
    }
    Err(KubeconfigError::Context {
        context: context.to_owned(),
        reason: format!(
            "the token of its user `{name}` has a character that an HTTP header cannot have, such as a line end"
        ),
    })
}

/// The program that logs the context's user in, if the kubeconfig names one.
pub(in crate::api) fn plugin<'a>(kubeconfig: &'a Kubeconfig, context: &str) -> Option<&'a ExecConfig> {
    user(kubeconfig, context)?.1.exec.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Access;
    use crate::api::kubeconfig::parse;

    fn kubeconfig(user: &str) -> String {
        format!(
            "current-context: c\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:1'}}}}]\n\
             contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nusers: [{{name: u, user: {user}}}]\n"
        )
    }

    fn tidied(user: &str) -> AuthInfo {
        parse(&kubeconfig(user)).unwrap().auth_infos.remove(0).auth_info.unwrap()
    }

    fn token(user: &AuthInfo) -> Option<String> {
        secret(user, "token")
    }

    #[test]
    fn blanks_at_the_ends_of_a_token_are_not_part_of_it() {
        assert_eq!(token(&tidied("{token: \"tok\\n\"}")).as_deref(), Some("tok"));
        assert_eq!(token(&tidied("{token: \"\"}")), None);
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display();
        for (content, inline, expected) in [
            ("tok\n", "", Some("tok")),
            ("tok\r\n", ", token: old", Some("tok")),
            ("tok", ", token: old", None),
        ] {
            std::fs::write(file.path(), content).unwrap();
            let user = tidied(&format!("{{tokenFile: '{path}'{inline}}}"));
            assert_eq!(
                (token(&user).as_deref(), user.token_file.is_none()),
                (expected, expected.is_some()),
                "{content:?}"
            );
        }
        let user = tidied("{tokenFile: /nowhere, token: old}");
        assert_eq!((token(&user).as_deref(), user.token_file), (Some("old"), None));
    }

    #[test]
    fn base64_may_have_lines_and_an_empty_text_means_none() {
        let user = tidied(
            "{client-certificate-data: \"YW\\nJj\\n\", client-key-data: \" eA== \", client-key: \"\"}",
        );
        assert_eq!(user.client_certificate_data.as_deref(), Some("YWJj"));
        assert_eq!(secret(&user, "client-key-data").as_deref(), Some("eA=="));
        assert_eq!(user.client_key, None);
    }

    /// No server answers at the address: a token that cannot be sent fails before any request.
    #[tokio::test]
    async fn a_token_that_no_header_can_have_is_an_error_and_no_panic() {
        for user in ["{token: \"to\\nken\"}", "{auth-provider: {name: oidc, config: {id-token: \"a\\nb\"}}}"]
        {
            let error = Access::from_text(&kubeconfig(user), None).await.map(drop).unwrap_err().to_string();
            assert!(error.contains("the token of its user `u`"), "{error}");
        }
        let error = Access::from_text(&kubeconfig("{token: \"tok\\n\"}"), None).await.map(drop).unwrap_err();
        assert!(error.to_string().contains("does not answer"), "{error}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_login_program_that_fails_is_named() {
        let exec = |command: &str| {
            format!(
                "{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {command}, installHint: get it, \
                      interactiveMode: Never}}}}"
            )
        };
        let error = Access::from_text(&kubeconfig(&exec("/nowhere/aws")), None).await.map(drop).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("/nowhere/aws") && error.contains("get it"), "{error}");
        // This program's token has a line end, which no header can have.
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("login");
        let text = "#!/bin/sh\nprintf '%s' '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\
                    \"status\":{\"token\":\"a\\nb\"}}'\n";
        let install = "printf '%s' \"$1\" > \"$2\" && chmod 755 \"$2\"";
        let mut shell = std::process::Command::new("/bin/sh");
        assert!(shell.args(["-c", install, "sh", text]).arg(&script).status().unwrap().success());
        let script = script.display().to_string();
        let error =
            Access::from_text(&kubeconfig(&exec(&script)), None).await.map(drop).unwrap_err().to_string();
        assert!(error.contains(&script), "{error}");
    }
}
