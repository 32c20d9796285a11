//! The disk of an engine, read by this process or by a helper container.

use std::sync::Arc;

use hythe_transfer::Bytestream;
use serde::de::DeserializeOwned;
use tokio::io::AsyncReadExt as _;

use crate::helper::Helper;
use crate::pipe;
use crate::store::{Ask, Store};

/// The most bytes of an answer that is read whole.
const ANSWER: u64 = 4 << 20;

/// The disk of an engine.
#[derive(Clone, Debug)]
pub enum Disk {
    /// This process may read it.
    Here(Arc<Store>),
    /// A container of the engine reads it.
    Helper(Helper),
}

impl Disk {
    /// The answer to a question, as it comes. An error of the kind `InvalidData` means that the store's content is not
    /// what it should be.
    pub fn ask(&self, ask: Ask) -> Bytestream {
        match self {
            Self::Here(store) => {
                let store = Arc::clone(store);
                Box::pin(pipe::from_thread(move |out| store.answer(&ask, out)))
            }
            Self::Helper(helper) => Box::pin(helper.ask(&ask)),
        }
    }

    /// A short answer.
    pub(crate) async fn read(&self, ask: Ask) -> std::io::Result<Vec<u8>> {
        let mut answer = Vec::new();
        self.ask(ask).take(ANSWER).read_to_end(&mut answer).await?;
        Ok(answer)
    }

    /// A short answer in JSON.
    pub(crate) async fn read_json<T: DeserializeOwned>(&self, ask: Ask) -> std::io::Result<T> {
        Ok(serde_json::from_slice(&self.read(ask).await?)?)
    }
}
