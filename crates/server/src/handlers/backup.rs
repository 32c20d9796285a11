//! `/api/backup/records`: the catalog's records, for a backup.

use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};
use hythe_api::parameter;
use hythe_backup::Chosen;
use hythe_oci::ErrorCode;
use hythe_registry::{Origin, Provenance};

use super::switch;
use crate::call::Call;
use crate::plane::Body;
use crate::reject::Rejection;

/// Answers with the records of one instant, a line for each. They are written into a file without a name first, so that a
/// slow client does not hold a read of the catalog open.
pub(crate) async fn record_list(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    if *call.method != Method::GET {
        return Err(Rejection::method(call.method, "GET"));
    }
    let cached = switch(call, parameter::CACHED)?;
    let Ok(permit) = Arc::clone(&call.app.exports).try_acquire_owned() else {
        let message = "other backups are reading the catalog's records; try again in a minute";
        return Err(Rejection::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, message)
            .with_header(header::RETRY_AFTER, "60".to_owned()));
    };
    let failed = |error| Rejection::registry(&error, None);
    let file = match &call.options.spool {
        Some(folder) => tempfile::tempfile_in(folder),
        None => tempfile::tempfile(),
    };
    let file = file.map_err(|error| {
        let reason = format!("cannot create a file for the catalog's records: {error}");
        failed(hythe_registry::Error::Internal(reason))
    })?;
    let visible = call.scope.visible();
    let mut chosen = Chosen::new(move |provenance: &Provenance| {
        provenance.origin == Origin::Local || cached && visible.shows(provenance)
    });
    let takes = move |record: &hythe_registry::Record| chosen.takes(record);
    let records = call.app.registry.spool_records(file, takes, permit).await.map_err(failed)?;
    let mut response = Response::new(Body::stored(&records, 0, records.size()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CONTENT_LENGTH, records.size().into());
    Ok(response)
}
