//! Eight clients at once push and pull ten-layer images. Each client has its own image.

use crate::bench::{Bench, LAYERS};
use crate::client::Client;
use crate::contender::Kind;
use crate::error::Result;
use crate::image::{self, Image};
use crate::random_file::Blob;
use crate::seed::Seed;
use crate::transfer::Transfer;
use crate::workspace::wipe;

const CLIENTS: usize = 8;

fn repository(client: usize) -> String {
    format!("bench/image-{client}")
}

/// Runs the scenario.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    eprintln!("hashing the layers of {CLIENTS} images");
    let layer = bench.settings.layer;
    let blobs = |client: usize| {
        let number = |number: usize| (client * LAYERS + number) as u64;
        (0..LAYERS).map(|at| bench.source.blob(number(at) * layer, layer)).collect::<Result<Vec<_>>>()
    };
    let blobs = (0..CLIENTS).map(blobs).collect::<Result<Vec<_>>>()?;
    bench.rounds(
        "image",
        |_| true,
        |bench, contender, round| {
            if contender.kind == Kind::Nginx && round == 0 {
                put_files(bench, contender, &blobs)?;
            }
            let salt = bench.salt();
            let images = images(bench, &blobs, salt)?;
            let dir = if contender.kind == Kind::Nginx {
                bench.dir("image", contender.kind)
            } else {
                bench.fresh_dir("image", contender.kind)?
            };
            let server = bench.start(contender, &dir)?;
            let pushed = contender.kind.takes_pushes().then(|| {
                Transfer::run(&server, CLIENTS, |number, client| {
                    images[number].push(client, &repository(number))
                })
            });
            let pushed = pushed.transpose()?;
            let pulled = contender.kind.gives_pulls().then(|| {
                Transfer::run(&server, CLIENTS, |number, client| image::pull(client, &repository(number)))
            });
            let pulled = pulled.transpose()?;
            if round == 0 && contender.kind.is_registry() {
                let mut client = Client::connect(server.port)?;
                for (number, image) in images.iter().enumerate() {
                    image.verify(&mut client, &repository(number))?;
                }
            }
            bench.stop(server);
            if let Some(pushed) = pushed {
                bench.record_transfer("image-push", contender.kind, pushed);
                wipe(&dir)?;
            }
            if let Some(pulled) = pulled {
                bench.record_transfer("image-pull", contender.kind, pulled);
            }
            Ok(())
        },
    );
    wipe(&bench.dir("image", Kind::Nginx))
}

fn images(bench: &Bench, blobs: &[Vec<Blob>], salt: u64) -> Result<Vec<Image>> {
    blobs.iter().map(|layers| Image::of(&bench.source, layers, salt)).collect()
}

/// Stores the images as files for nginx, which accepts no pushes. nginx serves these images in every round.
fn put_files(bench: &mut Bench, contender: &crate::contender::Contender, blobs: &[Vec<Blob>]) -> Result<()> {
    let dir = bench.fresh_dir("image", contender.kind)?;
    let images = images(bench, blobs, 0)?;
    let mut seed = Seed::open(bench, contender, &dir)?;
    for (number, image) in images.iter().enumerate() {
        seed.image(&repository(number), image)?;
    }
    seed.close(bench, contender, &dir, |client| {
        images.iter().enumerate().try_for_each(|(number, image)| image.verify(client, &repository(number)))
    })
}
