//! The progress of a push: the progress line, and a line for each blob that came to the registry.

use std::sync::Arc;

use hythe_oci::Descriptor;
use hythe_transfer::{Brought, Watch};

use crate::console::{Printer, Progress, size};

/// Digits of a digest that a line shows.
const DIGITS: usize = 12;

/// Tells the user of each blob.
pub(super) struct Told {
    pub(super) progress: Arc<Progress>,
    pub(super) printer: Printer,
}

impl Watch for Told {
    fn expect(&self, blobs: u64) {
        self.progress.expect(blobs as usize);
    }

    fn moved(&self, bytes: u64) {
        self.progress.came(bytes as usize);
    }

    fn blob_ended(&self) {
        self.progress.blob_ended();
    }

    fn brought(&self, blob: &Descriptor, how: Brought) {
        self.blob_ended();
        let what = match how {
            Brought::Existing => return,
            Brought::Mounted => "taken from another repository",
            Brought::Moved => "pushed",
        };
        let (digest, size) = (blob.digest.hex(), size(blob.size));
        self.progress.aside(|| self.printer.note(format_args!("{}  {size}  {what}", &digest[..DIGITS])));
    }
}
