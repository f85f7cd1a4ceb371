//! Who may ask: the rules for `Host`, `Origin` and tokens, which every request passes before anything else.
//!
//! A browser that a hostile page drives can reach loopback, too: by requests across origins, and by a name that is made
//! to point here (DNS rebinding). It owns these refusals, and must never know what the calls do.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use haulier_model::{Error, ErrorKind};

use crate::{problem::Problem, server::Gateway};

/// The path that needs no token.
pub(crate) const HEALTH: &str = "/health";

/// The address of this machine that a request came to.
#[derive(Clone, Copy)]
pub(crate) struct LocalAddress(pub(crate) IpAddr);

/// The identity behind a request's token.
#[derive(Clone)]
pub(crate) struct Caller(pub(crate) String);

/// Lets a request pass, or answers it with 401 or 403.
pub(crate) async fn guard(State(gateway): State<Gateway>, mut request: Request, next: Next) -> Response {
    match check(&gateway, &mut request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(gateway: &Gateway, request: &mut Request) -> Result<(), Problem> {
    let local = request.extensions().get::<LocalAddress>().map(|local| local.0);
    let host = host(request.headers()).ok_or_else(|| foreign_host("the request has no single, plain 'Host'"))?;
    for authority in [Some(&host), request.uri().authority()].into_iter().flatten() {
        if !is_known(authority, local, &gateway.options.hosts) {
            return Err(foreign_host(&format!("this gateway is not known as '{}'", authority.host().escape_debug())));
        }
    }
    let scheme = if gateway.options.tls.is_some() { "https" } else { "http" };
    if !is_same_origin(request.headers(), scheme, &host) {
        let message = "requests of pages from elsewhere are refused ('Origin')";
        let error = Error::new(ErrorKind::PermissionDenied, "", message).hint("curl, which sends no 'Origin'");
        return Err(error.into());
    }
    if request.uri().path() != HEALTH {
        let caller = authenticate(gateway, request.headers())?;
        request.extensions_mut().insert(caller);
    }
    Ok(())
}

fn foreign_host(message: &str) -> Problem {
    let hint = "127.0.0.1 or the address that the gateway listens on, or add the name to the gateway's hosts";
    Error::new(ErrorKind::PermissionDenied, "", message).hint(hint).into()
}

/// The one value of a header.
fn single(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}

fn host(headers: &HeaderMap) -> Option<Authority> {
    let host = single(headers, header::HOST)?;
    host.parse::<Authority>().ok().filter(|authority| !authority.as_str().contains('@'))
}

fn is_known(authority: &Authority, local: Option<IpAddr>, listed: &[String]) -> bool {
    let host = authority.host();
    if listed.iter().any(|name| name.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(authority.as_str())) {
        return true;
    }
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(address) => {
            let address = address.to_canonical();
            address.is_loopback() || local.is_some_and(|local| local.to_canonical() == address)
        }
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

fn is_same_origin(headers: &HeaderMap, scheme: &str, host: &Authority) -> bool {
    if !headers.contains_key(header::ORIGIN) {
        return true;
    }
    let port = if scheme == "https" { ":443" } else { ":80" };
    let plain = |authority: &str| authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase();
    single(headers, header::ORIGIN).and_then(|origin| origin.split_once("://")).is_some_and(|(other, authority)| {
        other.eq_ignore_ascii_case(scheme) && plain(authority) == plain(host.as_str())
    })
}

fn authenticate(gateway: &Gateway, headers: &HeaderMap) -> Result<Caller, Problem> {
    let token = single(headers, header::AUTHORIZATION)
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty());
    let refused = || {
        let error = Error::new(ErrorKind::PermissionDenied, "", "a token that this node knows is needed")
            .hint("curl -H \"Authorization: Bearer $TOKEN\" ...");
        Problem::new(StatusCode::UNAUTHORIZED, error)
    };
    match gateway.engine.authenticate(token.ok_or_else(refused)?) {
        Ok(identity) => Ok(Caller(identity)),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(refused()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let listed = ["deploy.example.org".to_owned(), "other.example.org:8443".to_owned()];
        let local = Some("10.1.2.3".parse().unwrap());
        let known = |host: &str| host.parse::<Authority>().is_ok_and(|host| is_known(&host, local, &listed));
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1",
            "127.8.9.1:80",
            "[::1]:7",
            "[::ffff:127.0.0.1]",
            "10.1.2.3:9",
            "deploy.example.org",
            "Deploy.Example.Org:9",
            "other.example.org:8443",
        ] {
            assert!(known(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.1.2.4",
            "0.0.0.0",
            "[::]",
            "2130706433",
            "other.example.org",
            "other.example.org:1",
        ] {
            assert!(!known(host), "{host}");
        }
    }

    #[test]
    fn origins() {
        let same = |origin: &str, scheme: &str, host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            is_same_origin(&headers, scheme, &host.parse().unwrap())
        };
        assert!(same("http://127.0.0.1:7", "http", "127.0.0.1:7") && same("http://LocalHost", "http", "localhost:80"));
        assert!(same("https://a.example", "https", "a.example:443"));
        for origin in ["null", "", "http://127.0.0.1:8", "https://127.0.0.1:7", "http://evil.example", "127.0.0.1:7"] {
            assert!(!same(origin, "http", "127.0.0.1:7"), "{origin}");
        }
    }
}
