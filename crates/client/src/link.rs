//! Reads `Link` headers (RFC 8288), which name a list's next page.

use http::header::{HeaderMap, LINK};
use url::Url;

use crate::answer::Answer;
use crate::error::Error;

/// The URL of the next page; `None` on the last page. `asked` is the URL that this page was requested from: if its path
/// ends with the link's path, only the link's query is taken, because a registry behind a proxy may not know its own
/// address. Otherwise a link to another origin is an error.
pub(crate) fn next_page(answer: &Answer, asked: &Url) -> Result<Option<Url>, Error> {
    let Some(link) = next(answer.headers()) else { return Ok(None) };
    let target = answer.response.url().join(link);
    let target =
        target.map_err(|_| answer.subject.protocol("the link to its next page is not a valid address"))?;
    // Behind a proxy or a redirect, the registry may write another host, scheme and path than the ones that reach it.
    // Only the query says which page it is, so the rest of the requested URL is kept.
    if asked.path().ends_with(target.path()) {
        let mut page = asked.clone();
        page.set_query(target.query());
        return Ok(Some(page));
    }
    if target.origin() != asked.origin() {
        return Err(answer.subject.protocol("the link to its next page leads to another registry"));
    }
    Ok(Some(target))
}

/// The target of the link to the next page, exactly as the header has it.
fn next(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all(LINK).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(links).find(|(_, parameters)| is_next(parameters)).map(|(target, _)| target)
}

/// Each link's target and the parameters after it. Commas separate links, but may also occur within targets.
fn links(value: &str) -> impl Iterator<Item = (&str, &str)> {
    value.split('<').skip(1).filter_map(|link| link.split_once('>'))
}

fn is_next(parameters: &str) -> bool {
    let mut parameters = parameters.split([';', ',']).filter_map(|parameter| parameter.split_once('='));
    parameters.any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_as_registries_write_it() {
        for (values, expected) in [
            (&[r#"</v2/a/tags/list?last=x&n=2>; rel="next""#][..], Some("/v2/a/tags/list?last=x&n=2")),
            (&["<https://r.example/v2/a?x=1,2>;rel=next"], Some("https://r.example/v2/a?x=1,2")),
            (&[r#"</a>; rel="prev", </b>; title="b"; rel="next""#], Some("/b")),
            (&[r#"</a>; rel="prev""#, r"</b>; Rel=NEXT"], Some("/b")),
            (&[r#"</a>; rel="prev""#], None),
            (&["</a>", "/b; rel=next", ""], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(LINK, value.parse().unwrap());
            }
            assert_eq!(next(&headers), expected, "{values:?}");
        }
    }
}
