//! The images that a command line chooses: one that `-t` names, the services of a Compose file, or the images of a project file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hythe_build::{ContextSource, DockerfileSource, Recipe};
use hythe_oci::Tag;

use super::compose::{self, Service};
use super::context::{context_source, folder, is_address};
use super::declared;
use super::image::{Defaults, Extras, Image, arguments};
use crate::args::BuildArgs;
use crate::commands::cache::Target;
use crate::commands::interpolate::variables;
use crate::config::Environment;
use crate::failure::{BuildError, Failure};

/// The images of a project.
#[derive(Debug)]
pub(super) struct Project {
    /// All images. Only some of them may be wanted; the others can be their bases.
    pub(super) images: Vec<Image>,
    /// The positions of the images to build.
    pub(super) wanted: BTreeSet<usize>,
    /// What the user should know.
    pub(super) warnings: Vec<String>,
}

impl Project {
    /// Reads what the command line chooses.
    pub(super) fn choose(args: &BuildArgs, environment: &Environment) -> Result<Self, Failure> {
        let registry = Target::chosen(args.registry.as_deref(), environment)?;
        let defaults = Defaults {
            registry: registry.host().clone(),
            tag: args.default_tag.clone().unwrap_or_else(Tag::latest),
            is_registry_chosen: args.registry.is_some(),
            is_tag_chosen: args.default_tag.is_some(),
        };
        let mut project = if args.references.is_empty() {
            several(args, &defaults, environment)?
        } else {
            Self { images: vec![single(args, &defaults)?], wanted: [0].into(), warnings: Vec::new() }
        };
        let (extra, inherited) =
            arguments(args.build_arg.iter().map(String::as_str), &variables(environment));
        for image in &mut project.images {
            image.inherited.retain(|name| !extra.contains_key(name));
            image.inherited.extend(inherited.iter().cloned());
            image.recipe.args.extend(extra.clone());
            for label in &args.label {
                let (name, value) = label.split_once('=').unwrap_or((label, ""));
                image.recipe.labels.insert(name.to_owned(), value.to_owned());
            }
            if !args.platform.is_empty() {
                image.recipe.platforms.clone_from(&args.platform);
            }
            image.extras.secrets.extend(args.secret.iter().cloned());
            image.extras.ssh.extend(args.ssh.iter().cloned());
            if args.network.is_some() {
                image.extras.network.clone_from(&args.network);
            }
        }
        Ok(project)
    }
}

/// The image that `-t` names.
fn single(args: &BuildArgs, defaults: &Defaults) -> Result<Image, Failure> {
    let context = match &args.what[..] {
        [] => ".",
        [context] => context,
        [_, more, ..] => {
            return Err(Failure::Usage(format!(
                "-t names one image, so PATH is its context: `{more}` is too much"
            )));
        }
    };
    let context = folder(context)?;
    let dockerfile = args.file.clone().unwrap_or_else(|| context.join("Dockerfile"));
    let references: Result<Vec<_>, _> =
        args.references.iter().map(|written| defaults.complete(written)).collect();
    let references = references?;
    let mut contexts = BTreeMap::new();
    for given in &args.build_context {
        let Some((name, value)) = given.split_once('=') else {
            return Err(Failure::Usage(format!("`--build-context {given}`: write NAME=VALUE")));
        };
        contexts.insert(name.to_owned(), context_source(value, Path::new("."))?);
    }
    Ok(Image {
        name: references[0].full.to_string(),
        references,
        recipe: Recipe {
            context,
            dockerfile: DockerfileSource::Path(dockerfile),
            target: args.target.clone(),
            args: BTreeMap::new(),
            platforms: Vec::new(),
            contexts,
            labels: BTreeMap::new(),
            images: BTreeMap::new(),
        },
        inherited: BTreeSet::new(),
        extras: Extras::default(),
    })
}

/// The images of a Compose file or of a project file.
fn several(args: &BuildArgs, defaults: &Defaults, environment: &Environment) -> Result<Project, Failure> {
    refuse_options_of_one_image(args)?;
    if let Some(file) = &args.file {
        if compose::is_file_name(file) {
            return of_compose(file, true, &args.what, defaults, environment);
        }
        return Err(Failure::Usage(format!(
            "{} has no name of a Compose file (.yaml, .yml); for a Dockerfile, name the image with -t",
            file.display()
        )));
    }
    let all = &args.what[..];
    let Some((first, rest)) = all.split_first() else { return in_folder(".", all, defaults, environment) };
    // The first word is a folder if there is one of that name; otherwise every word is the name of an image.
    if is_address(first) || is_project(Path::new(first)) {
        return in_folder(first, rest, defaults, environment);
    }
    if !Path::new(first).is_dir() {
        return in_folder(".", all, defaults, environment);
    }
    // The folder has no images of its own: the word can still be the name of an image of this folder's project.
    if is_project(Path::new(".")) {
        match in_folder(".", all, defaults, environment) {
            Err(Failure::Usage(_)) => {}
            chosen => return chosen,
        }
    }
    in_folder(first, rest, defaults, environment)
}

/// Whether a folder has a project file or a Compose file.
fn is_project(folder: &Path) -> bool {
    folder.join(declared::FILE).is_file() || compose::file_in(folder).is_some()
}

/// The images of the project in a folder.
fn in_folder(
    path: &str,
    names: &[String],
    defaults: &Defaults,
    environment: &Environment,
) -> Result<Project, Failure> {
    let folder = folder(path)?;
    let declared = folder.join(declared::FILE);
    if declared.is_file() {
        let images = declared::read(&declared, defaults, environment)?;
        if !images.is_empty() {
            let wanted = wanted(&images, names, &declared)?;
            return Ok(Project { images, wanted, warnings: Vec::new() });
        }
    }
    match compose::file_in(&folder) {
        Some(file) => of_compose(&file, false, names, defaults, environment),
        None => Err(Failure::Usage(format!(
            "{} has neither {} with images nor a Compose file. To build its Dockerfile, name the image: `hythe build {path} -t NAME`",
            folder.display(),
            declared::FILE
        ))),
    }
}

fn refuse_options_of_one_image(args: &BuildArgs) -> Result<(), Failure> {
    let given = [
        ("--target", args.target.is_some()),
        ("--build-context", !args.build_context.is_empty()),
        ("--secret", !args.secret.is_empty()),
        ("--ssh", !args.ssh.is_empty()),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => Err(Failure::Usage(format!(
            "{flag} is for one image that -t names; write it into the Compose file or {} for several",
            declared::FILE
        ))),
        None => Ok(()),
    }
}

/// The positions of the images with these names; of all, if there are none.
fn wanted(images: &[Image], names: &[String], file: &Path) -> Result<BTreeSet<usize>, Failure> {
    if names.is_empty() {
        return Ok((0..images.len()).collect());
    }
    let position = |name: &String| {
        images.iter().position(|image| image.name == *name).ok_or_else(|| {
            let known: Vec<&str> = images.iter().map(|image| image.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Failure::Usage(format!("{} has no image `{name}` to build; it has: {known}", file.display()))
        })
    };
    names.iter().map(position).collect()
}

fn of_compose(
    file: &Path,
    explicit: bool,
    names: &[String],
    defaults: &Defaults,
    environment: &Environment,
) -> Result<Project, Failure> {
    let app = compose::read(file, explicit, !names.is_empty(), environment)?;
    if app.services.is_empty() {
        return Err(BuildError::compose(file, "no service of it has `build`").into());
    }
    let image = |service: &Service| -> Result<Image, Failure> {
        let own = service
            .image
            .clone()
            .unwrap_or_else(|| format!("{}/{}-{}", defaults.registry, app.name, service.name));
        let names = std::iter::once(&own).chain(&service.tags);
        let references: Result<Vec<_>, _> = names.map(|written| defaults.complete(written)).collect();
        of_service(service, references?, &app.services, &app.name, defaults, environment)
    };
    let images: Vec<Image> = app.services.iter().map(image).collect::<Result<_, _>>()?;
    Ok(Project { wanted: wanted(&images, names, file)?, images, warnings: app.warnings })
}

fn of_service(
    service: &Service,
    references: Vec<super::image::Reference>,
    services: &[Service],
    app: &str,
    defaults: &Defaults,
    environment: &Environment,
) -> Result<Image, Failure> {
    let context = folder(&service.context)?;
    let dockerfile = match (&service.inline, &service.dockerfile) {
        (Some(text), _) => DockerfileSource::Inline(text.clone()),
        (None, Some(path)) => DockerfileSource::Path(path.into()),
        (None, None) => DockerfileSource::Path(context.join("Dockerfile")),
    };
    let mut contexts = BTreeMap::new();
    for (name, value) in &service.contexts {
        let source = match value.strip_prefix("service:") {
            Some(other) => {
                let found = services.iter().find(|service| service.name == other);
                let image = found.and_then(|service| service.image.clone());
                let image = image.unwrap_or_else(|| format!("{}/{app}-{other}", defaults.registry));
                ContextSource::Image(defaults.complete(&image)?.full)
            }
            None => context_source(value, &context)?,
        };
        contexts.insert(name.clone(), source);
    }
    let written: Vec<String> = service
        .args
        .iter()
        .map(|(name, value)| value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}={value}")))
        .collect();
    let (args, inherited) = arguments(written.iter().map(String::as_str), &variables(environment));
    let platforms: Result<Vec<_>, _> = service.platforms.iter().map(|platform| platform.parse()).collect();
    Ok(Image {
        name: service.name.clone(),
        references,
        recipe: Recipe {
            context,
            dockerfile,
            target: service.target.clone(),
            args,
            platforms: platforms
                .map_err(|error| Failure::Usage(format!("service {}: {error}", service.name)))?,
            contexts,
            labels: service.labels.clone(),
            images: BTreeMap::new(),
        },
        inherited,
        extras: Extras {
            secrets: service.secrets.clone(),
            ssh: service.ssh.clone(),
            network: service.network.clone(),
        },
    })
}
