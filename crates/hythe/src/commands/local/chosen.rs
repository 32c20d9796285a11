//! The clusters that the user names, or means by naming none.

use hythe_cluster::topology::{Cluster, clusters};
use hythe_engine::Engine;

use crate::failure::{Failure, LocalError};

/// The clusters to attach if the user names none: the only one, or all with `--all`.
pub(super) async fn unnamed(engine: &Engine, all: bool) -> Result<Vec<Cluster>, Failure> {
    let found = clusters(engine).await?;
    if !all && found.len() > 1 {
        let names: Vec<&str> = found.iter().map(|cluster| cluster.name.as_str()).collect();
        return Err(Failure::Usage(format!(
            "found several clusters ({}): name those to attach, or add --all",
            names.join(", ")
        )));
    }
    if found.is_empty() {
        return Err(LocalError::NoClusters { engine: engine.title() }.into());
    }
    Ok(found)
}

/// The cluster with that name.
pub(in crate::commands) async fn named(engine: &Engine, name: &str) -> Result<Cluster, Failure> {
    let found = clusters(engine).await?;
    let names: Vec<String> = found.iter().map(|cluster| cluster.name.clone()).collect();
    let cluster = found.into_iter().find(|cluster| cluster.name == name || cluster.context() == name);
    cluster.ok_or_else(|| {
        let there = if names.is_empty() {
            "it has no clusters".to_owned()
        } else {
            format!("its clusters are: {}", names.join(", "))
        };
        Failure::Usage(format!("{} has no cluster {name}; {there}", engine.title()))
    })
}
