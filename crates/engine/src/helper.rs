//! A container of hythe's own image that reads the engine's disk, for a hythe that may not or is on another machine.
//!
//! The container gets the engine's folder read-only, no network, and of root's rights only the one to read all files. It
//! runs as long as its stdin is open: when hythe ends, by Ctrl-C too, the engine closes that and removes the container.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bollard::container::LogOutput;
use bollard::models::{
    ContainerCreateBody, ContainerSummaryStateEnum, HostConfig, HostConfigLogConfig, Mount, MountBindOptions,
    MountType,
};
use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use crate::engine::{Attached, Engine, EngineError};
use crate::frame::{HEAD, Head, Kind, Question};
use crate::pipe::{self, Reader};
use crate::store::Ask;

/// Where the container has the engine's folder.
const ROOT: &str = "/engine";

/// The beginning of the containers' names.
const NAME: &str = "hythe-read-";
/// The age, in seconds, from which a container that was never started belongs to a hythe that was killed meanwhile.
const FORGOTTEN: u64 = 60;

/// Questions that wait to be sent.
const QUESTIONS: usize = 64;
/// The most bytes of the container's stderr that are kept.
const COMPLAINT: usize = 4096;

/// A running helper container.
#[derive(Clone, Debug)]
pub struct Helper {
    asked: mpsc::Sender<Question>,
    answers: Arc<Mutex<Answers>>,
    next: Arc<AtomicU32>,
}

/// The answers that are on their way.
#[derive(Debug, Default)]
struct Answers {
    waiting: HashMap<u32, mpsc::Sender<io::Result<Bytes>>>,
    /// Why no more answers come.
    ended: Option<String>,
}

impl Helper {
    /// Starts a container of hythe's image, which the engine has, over the engine's folder `root`.
    pub async fn start(engine: &Engine, image: &str, driver: &str, root: &Path) -> Result<Self, EngineError> {
        remove_forgotten(engine).await;
        let name = format!("{NAME}{}-{}", std::process::id(), random());
        let request = ContainerCreateBody {
            image: Some(image.to_owned()),
            entrypoint: Some(vec!["/bin/hythe".to_owned()]),
            cmd: Some(["read-layers", "--driver", driver, ROOT].map(str::to_owned).to_vec()),
            user: Some("0:0".to_owned()),
            open_stdin: Some(true),
            stdin_once: Some(true),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            host_config: Some(HostConfig {
                auto_remove: Some(true),
                network_mode: Some("none".to_owned()),
                // The engine would write all layers into the container's log, as JSON.
                log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
                readonly_rootfs: Some(true),
                cap_drop: Some(vec!["ALL".to_owned()]),
                cap_add: Some(vec!["DAC_READ_SEARCH".to_owned()]),
                // A container's label in SELinux may not read the engine's files.
                security_opt: Some(vec!["no-new-privileges".to_owned(), "label=disable".to_owned()]),
                mounts: Some(vec![Mount {
                    typ: Some(MountType::BIND),
                    source: Some(root.display().to_string()),
                    target: Some(ROOT.to_owned()),
                    read_only: Some(true),
                    // Without the file systems of running containers, which are mounted below.
                    bind_options: Some(MountBindOptions {
                        non_recursive: Some(true),
                        ..MountBindOptions::default()
                    }),
                    ..Mount::default()
                }]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        engine.create(&name, request).await?;
        let attached = async {
            let attached = engine.attach(&name).await?;
            engine.start(&name).await?;
            Ok(attached)
        };
        let attached = match attached.await {
            Ok(attached) => attached,
            Err(error) => {
                // A container that never started is not removed by itself.
                let _ = engine.remove(&name).await;
                return Err(error);
            }
        };
        let Attached { output, input } = attached;
        let (asked, questions) = mpsc::channel(QUESTIONS);
        let answers = Arc::new(Mutex::new(Answers::default()));
        tokio::spawn(send(questions, input));
        tokio::spawn(receive(output, Arc::clone(&answers)));
        Ok(Self { asked, answers, next: Arc::default() })
    }

    /// The answer to a question, as it comes.
    pub(crate) fn ask(&self, ask: &Ask) -> Reader {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, reader) = pipe::pieces();
        let mut answers = self.answers.lock();
        let failure = answers.ended.clone().or_else(|| {
            let sent = self.asked.try_send(Question { number, ask: ask.clone() });
            sent.is_err().then(|| "the helper container has too many questions".to_owned())
        });
        match failure {
            // The channel is empty, so it has room.
            Some(failure) => drop(sender.try_send(Err(io::Error::other(failure)))),
            None => drop(answers.waiting.insert(number, sender)),
        }
        reader
    }
}

/// Removes containers that a hythe created and could not start before it was killed: the engine removes only those that
/// ran.
async fn remove_forgotten(engine: &Engine) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    for container in engine.all_containers().await.unwrap_or_default() {
        let names = container.names.unwrap_or_default();
        let Some(name) = names.iter().find_map(|name| name.strip_prefix('/')) else { continue };
        let created = container.created.unwrap_or_default().max(0).cast_unsigned();
        if name.starts_with(NAME)
            && container.state == Some(ContainerSummaryStateEnum::CREATED)
            && now.saturating_sub(created) > FORGOTTEN
        {
            // The next push tries again.
            let _ = engine.remove(name).await;
        }
    }
}

/// A number that makes the container's name new, if another process had this one's number.
fn random() -> u32 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0) as u32
}

/// Writes the questions, until nobody can ask any more.
async fn send(mut questions: mpsc::Receiver<Question>, mut input: Pin<Box<dyn AsyncWrite + Send>>) {
    while let Some(question) = questions.recv().await {
        // Digests and numbers are always JSON.
        let mut line = serde_json::to_vec(&question).unwrap_or_default();
        line.push(b'\n');
        if input.write_all(&line).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
    let _ = input.shutdown().await;
}

type Pieces = Pin<Box<dyn futures_util::Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;

/// Reads the frames, and passes each to the one that asked.
async fn receive(mut output: Pieces, answers: Arc<Mutex<Answers>>) {
    let (mut frames, mut complaint) = (BytesMut::new(), String::new());
    let ended = loop {
        match output.next().await {
            Some(Ok(LogOutput::StdErr { message })) => {
                complaint.push_str(&String::from_utf8_lossy(&message));
                complaint.truncate(complaint.floor_char_boundary(COMPLAINT));
            }
            Some(Ok(piece)) => {
                frames.extend_from_slice(&piece.into_bytes());
                if let Err(error) = pass_on(&mut frames, &answers).await {
                    break error.to_string();
                }
            }
            Some(Err(error)) => break format!("the connection to the helper container broke: {error}"),
            None => break format!("the helper container ended {}", complaint.trim()).trim().to_owned(),
        }
    };
    let waiting = {
        let mut answers = answers.lock();
        answers.ended = Some(ended.clone());
        std::mem::take(&mut answers.waiting)
    };
    for sender in waiting.into_values() {
        let _ = sender.send(Err(io::Error::other(ended.clone()))).await;
    }
}

/// Passes the whole frames on.
async fn pass_on(frames: &mut BytesMut, answers: &Mutex<Answers>) -> io::Result<()> {
    while let Some(head) = frames.first_chunk::<HEAD>() {
        let head = Head::read(*head)?;
        if frames.len() < HEAD + head.length {
            break;
        }
        frames.advance(HEAD);
        let content = frames.split_to(head.length).freeze();
        let sender = answers.lock().waiting.get(&head.number).cloned();
        // Without a sender nobody reads this answer any more.
        let Some(sender) = sender else { continue };
        let text = || String::from_utf8_lossy(&content).into_owned();
        let sent = match head.kind {
            Kind::Bytes => sender.send(Ok(content)).await,
            Kind::End => Ok(()),
            Kind::Failed => sender.send(Err(io::Error::other(text()))).await,
            Kind::Damaged => sender.send(Err(io::Error::new(io::ErrorKind::InvalidData, text()))).await,
        };
        if head.kind != Kind::Bytes || sent.is_err() {
            answers.lock().waiting.remove(&head.number);
        }
    }
    Ok(())
}
