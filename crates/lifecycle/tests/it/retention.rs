//! Retention: what rules keep and delete in a repository.

mod belonging;
mod criteria;
mod failures;
mod properties;
mod repository;
