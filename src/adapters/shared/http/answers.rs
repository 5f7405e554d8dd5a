//! Reading answers within limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use reqwest::Response;

use super::errors::no_answer;
use wharf_core::{
    base::{
        context::timed_out,
        error::{Error, Kind, Result},
    },
    ports::ByteStream,
};

/// Reads an answer; fails before it takes more than `limit` bytes.
pub async fn body(response: Response, limit: usize, what: &str) -> Result<Bytes> {
    let too_long = || {
        Error::new(Kind::Integrity, what, format!("the answer is longer than {} MiB", limit >> 20))
            .hint("no real answer is; tell the administrators of the source")
    };
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_long());
    }
    let mut bytes = BytesMut::new();
    let mut stream = response.bytes_stream();
    loop {
        // A client that waits for long uploads has no limit of its own.
        let next = tokio::time::timeout(SILENCE, stream.try_next()).await;
        let next = next.map_err(|_| timed_out(what, SILENCE))?.map_err(|error| no_answer(what, &error))?;
        let Some(chunk) = next else { return Ok(bytes.freeze()) };
        if bytes.len() + chunk.len() > limit {
            return Err(too_long());
        }
        bytes.extend_from_slice(&chunk);
    }
}

/// How long an answer that is read as a whole may say nothing.
const SILENCE: Duration = Duration::from_secs(30);

/// The answer as a stream with Wharf's errors.
pub fn stream(response: Response, what: String) -> ByteStream {
    Box::pin(response.bytes_stream().map_err(move |error| no_answer(&what, &error)))
}

/// Longest JSON answer that is read, in bytes.
const JSON_LIMIT: usize = 32 << 20;

/// Reads a JSON answer of at most 32 MiB.
pub async fn json<T: serde::de::DeserializeOwned>(response: Response, what: &str) -> Result<T> {
    counted_json(response, what).await.map(|(read, _)| read)
}

/// Reads a JSON answer like [`json`], and returns its length in bytes too.
pub async fn counted_json<T: serde::de::DeserializeOwned>(response: Response, what: &str) -> Result<(T, usize)> {
    let bytes = body(response, JSON_LIMIT, what).await?;
    Ok((parse(&bytes, what)?, bytes.len()))
}

/// Parses JSON. The error tells the position but repeats no content, because an answer may hold a secret.
pub fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        let page = bytes.trim_ascii_start().starts_with(b"<");
        let why = match error.classify() {
            _ if page => "a web page, not JSON".to_owned(),
            serde_json::error::Category::Data => {
                format!("JSON of another form than it should be, in line {}, column {}", error.line(), error.column())
            }
            _ => format!("not the JSON it should be, from line {}, column {} on", error.line(), error.column()),
        };
        Error::failed(what, format!("the answer is {why}"))
            .hint("check that the address is that service and not a web page or a proxy's notice")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_cannot_be_read_is_not_repeated() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "only its form matters")]
        struct Wanted {
            token: u32,
        }
        for text in [r#"{"token": "hunter2"}"#, r#"{"token": hunter2}"#, "hunter2", "<p>hunter2", r#"{"hunter2": 1"#] {
            let error = parse::<Wanted>(text.as_bytes(), "read it").unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"), "{error}");
        }
    }
}
