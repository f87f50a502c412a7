//! The reply: read by the meter, and changed only if it is a list of models, or contains usage that only Tollgate
//! requested.

use super::{Body, Host, Map};
use crate::access::Permit;
use crate::date::rfc3339;
use crate::denial::{self, Denial};
use crate::headers::HeaderMap;
use crate::meter::{self, Meter};
use crate::policy::Policy;
use crate::rewrite::hide::Hide;
use crate::rewrite::models::{self, ModelList, Viewer};

/// The header that tells a client when its key expires. The server's own is stripped, as is everything under `x-tollgate-`.
pub(crate) const KEY_EXPIRES: &str = "x-tollgate-key-expires";

/// One reply.
#[derive(Debug)]
pub(super) struct Reply {
    /// `None` before the headers; 0, which is not a success, if they have no status.
    status: Option<u16>,
    ended: bool,
    pub(super) dropped_by_scheduler: bool,
    pub(super) first_token: Option<u64>,
    pub(super) meter: Option<Meter>,
    /// A list of models that is being filtered.
    list: Option<ModelList>,
    /// A stream whose usage only Tollgate requested.
    hide: Option<Hide>,
}

impl Reply {
    /// A reply before its headers.
    pub(super) const fn new() -> Self {
        Self {
            status: None,
            ended: false,
            dropped_by_scheduler: false,
            first_token: None,
            meter: None,
            list: None,
            hide: None,
        }
    }

    /// The status of a reply that was not an error and has passed completely.
    pub(super) fn success(&self) -> Option<u16> {
        self.status
            .filter(|status| self.ended && (200..400).contains(status))
    }

    /// Handles the headers, and strips those that only Tollgate may set. A reply that cannot be metered passes; a list of models
    /// that cannot be filtered does not.
    pub(super) fn begin(
        &mut self,
        host: &impl Host,
        last: bool,
        permit: &Permit,
        policy: &Policy,
    ) -> Result<(), Denial> {
        self.ended = last;
        let filters = permit.filters_models(&policy.access);
        let headers = match host.headers(Map::ResponseHeaders) {
            Ok(headers) => headers,
            Err(refused) if filters => return Err(refused.into()),
            Err(_) => return Ok(()),
        };
        let status = status(&headers);
        self.status = Some(status);
        strip(host, Map::ResponseHeaders, &headers)?;
        let expires_at = permit.identity().and_then(|identity| identity.expires_at);
        if let Some(date) = expires_at.filter(|_| policy.show_expiry).and_then(rfc3339) {
            // A failure must not cost the reply.
            let _ = host.set_header(Map::ResponseHeaders, KEY_EXPIRES, &date);
        }
        if filters && (200..300).contains(&status) {
            for name in models::outdated(&headers) {
                host.remove_header(Map::ResponseHeaders, name.as_bytes())?;
            }
            for (name, value) in models::REPLY_HEADERS {
                host.set_header(Map::ResponseHeaders, name, value)?;
            }
            self.list = Some(ModelList::default());
        }
        self.dropped_by_scheduler = headers.first("x-llm-d-request-dropped-reason").is_some();
        let hides = permit.hides_usage();
        let metered = permit.operation.metered();
        if metered != meter::Work::Other {
            let encodings: Vec<&[u8]> = headers.values("content-encoding").collect();
            let meter = Meter::new(
                metered,
                headers.first("content-type"),
                Some(&encodings.join(&b","[..])),
                status,
            );
            // The meter is large, so it is moved only once.
            let meter = self.meter.insert(meter);
            meter.metadata(|| headers.first("metadata"));
            // With a wrong length the client would wait for bytes that do not come. The content type does not tell whether the
            // body is an event stream.
            let no_length = || {
                headers.first("content-length").is_none()
                    || host
                        .remove_header(Map::ResponseHeaders, b"content-length")
                        .is_ok()
            };
            if hides && !last && (200..300).contains(&status) && meter.reads_body() && no_length() {
                self.hide = Some(Hide::default());
            }
        }
        Ok(())
    }

    /// Handles one chunk of the body. `viewer` decides which models of a list are shown.
    pub(super) fn pass(
        &mut self,
        host: &impl Host,
        size: usize,
        last: bool,
        viewer: &Viewer<'_>,
    ) -> Result<(), Denial> {
        self.ended = last;
        match &mut self.list {
            Some(list) => filter(host, list, size, last, viewer),
            None => self.observe(host, size, last),
        }
    }

    /// Meters one chunk. It passes unchanged, except for usage that only Tollgate requested.
    fn observe(&mut self, host: &impl Host, size: usize, last: bool) -> Result<(), Denial> {
        let reads = self.meter.as_ref().is_some_and(Meter::reads_body);
        if !reads && self.hide.is_none() {
            return Ok(());
        }
        let Ok(chunk) = host.frame(Body::Response, size) else {
            // Counts of a reply with a gap are worse than none.
            self.meter = None;
            // Held bytes must not be lost.
            let held = self.hide.take().map(Hide::release).unwrap_or_default();
            if !held.is_empty() {
                host.replace(Body::Response, 0, &held)?;
            }
            return Ok(());
        };
        let Some(meter) = &mut self.meter else {
            return Ok(());
        };
        meter.push(&chunk);
        if self.first_token.is_none() && meter.first_token_seen() {
            self.first_token = host.now().ok();
        }
        let Some(hide) = &mut self.hide else {
            return Ok(());
        };
        match meter.is_event_stream() {
            Some(true) => {}
            Some(false) => {
                self.hide = None;
                return Ok(());
            }
            None => return Ok(()),
        }
        let was_holding = hide.is_holding();
        let instead = hide.pass(&chunk, &meter.extras(), last);
        let written = instead.map(|bytes| host.replace(Body::Response, size, &bytes));
        if let Some(Err(refused)) = written {
            // The chunk passes, and the client may see the usage; but a chunk must not pass without the held bytes before it.
            self.hide = None;
            if was_holding {
                return Err(refused.into());
            }
        }
        Ok(())
    }
}

/// Removes headers or trailers that only the filter may set. If they cannot be read, for example because there are too many,
/// they pass.
pub(super) fn strip_own(host: &impl Host, map: Map) -> Result<(), Denial> {
    host.headers(map)
        .map_or(Ok(()), |headers| strip(host, map, &headers))
}

fn strip(host: &impl Host, map: Map, headers: &HeaderMap) -> Result<(), Denial> {
    for name in denial::forged(headers) {
        host.remove_header(map, name)?;
    }
    Ok(())
}

/// Removes one chunk of a list of models from the reply, and replaces the last with the filtered list. If trailers end the
/// reply, there is no last chunk, and the reply stays empty.
fn filter(
    host: &impl Host,
    list: &mut ModelList,
    size: usize,
    last: bool,
    viewer: &Viewer<'_>,
) -> Result<(), Denial> {
    match host.frame(Body::Response, size) {
        Ok(chunk) => list.take(&chunk),
        Err(_) => list.spoil(),
    }
    let emitted = if last {
        list.filtered(viewer)
    } else {
        String::new()
    };
    host.replace(Body::Response, size, emitted.as_bytes())?;
    Ok(())
}

/// The status of a reply; 0, which is not a success, if there is none.
fn status(headers: &HeaderMap) -> u16 {
    let status = headers.first(":status").unwrap_or_default();
    let digits = std::str::from_utf8(status).unwrap_or_default();
    digits.parse().unwrap_or_default()
}
