//! The container of a `registry:2`.

/// The variable of `registry:2` that names its data folder.
pub(super) const ROOT: &str = "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY";

/// The user id and group id that a container's `User` names by number; `None` for root.
pub(super) fn user(text: &str) -> Option<(u32, u32)> {
    let (user, group) = text.split_once(':').unwrap_or((text, text));
    Some((user.parse().ok()?, group.parse().ok()?)).filter(|(user, _)| *user != 0)
}
