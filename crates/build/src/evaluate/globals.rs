//! The arguments that `FROM` sees: the builder's own, and the `ARG`s before the first `FROM`.

use hythe_oci::Platform;

use crate::dockerfile::{Fault, parse_words};
use crate::expand::{Variables, expand};
use crate::program::Program;
use crate::recipe::Recipe;

/// The parts of a platform in the names of arguments.
const PARTS: [&str; 5] = ["PLATFORM", "OS", "ARCH", "VARIANT", "OSVERSION"];

/// Whether the builder sets an argument from the platforms. Such arguments do not enter the key: the platform does.
pub(super) fn is_platform_argument(name: &str) -> bool {
    let part = name.strip_prefix("TARGET").or_else(|| name.strip_prefix("BUILD"));
    part.is_some_and(|part| PARTS.contains(&part))
}

/// The arguments that `FROM` sees, with those of the builder's machine as `$` and their names: what enters the key must not depend
/// on the machine.
pub(super) fn without_machine(globals: &Variables, recipe: &Recipe) -> Variables {
    let mut globals = globals.clone();
    for name in PARTS.map(|part| format!("BUILD{part}")) {
        if !recipe.args.contains_key(&name) {
            globals.set(name.clone(), Some(format!("${name}")));
        }
    }
    globals
}

/// The arguments that `FROM` sees.
pub(super) fn evaluate(program: &Program, recipe: &Recipe, platform: &Platform) -> Result<Variables, Fault> {
    let mut globals = Variables::closed();
    let mut set = |name: String, value: &str| {
        let value = recipe.args.get(&name).map_or(value, String::as_str);
        globals.set(name.clone(), Some(value.to_owned()));
    };
    for (prefix, platform) in [("BUILD", &Platform::of_host()), ("TARGET", platform)] {
        let whole = platform.to_string();
        let mut parts = whole.split('/').map(str::to_owned).collect::<Vec<_>>().into_iter();
        let mut next = || parts.next().unwrap_or_default();
        for (name, value) in PARTS.into_iter().zip([whole.clone(), next(), next(), next(), String::new()]) {
            set(format!("{prefix}{name}"), &value);
        }
    }
    // The name of the stage is read in lower case, and `default` if it has none.
    let last = program.stages.last().and_then(|stage| stage.name.as_deref());
    set("TARGETSTAGE".to_owned(), recipe.target.as_deref().or(last).unwrap_or("default"));
    for instruction in &program.globals {
        for word in parse_words(&instruction.arguments, program.escape) {
            let (name, default) = word.split_once('=').map_or((word.as_str(), None), |(n, v)| (n, Some(v)));
            let value = match (recipe.args.get(name), default) {
                (Some(given), _) => given.clone(),
                (None, Some(default)) => {
                    let expanded = expand(default, &globals, program.escape);
                    expanded.map_err(|message| Fault::new(instruction.line, message))?.text
                }
                (None, None) => continue,
            };
            globals.set(name, Some(value));
        }
    }
    Ok(globals)
}
