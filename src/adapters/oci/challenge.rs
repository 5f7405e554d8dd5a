//! `WWW-Authenticate` as registries use it (RFC 9110, section 11.6.1; Docker's token specification).

use std::collections::BTreeMap;

/// A challenge of a server: what it asks a client to sign in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme in lower case: `basic` or `bearer`.
    pub scheme: String,
    /// The parameters, with names in lower case.
    pub parameters: BTreeMap<String, String>,
}

impl Challenge {
    /// The value of a parameter; empty if it is absent.
    pub fn get(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// The first of several values counts (RFC 9110, section 11.2), but registries repeat `scope` for each resource.
    fn add(&mut self, name: String, value: String) {
        match self.parameters.get_mut(&name) {
            Some(scopes) if name == "scope" => scopes.extend([" ", &value]),
            Some(_) => {}
            None => _ = self.parameters.insert(name, value),
        }
    }
}

/// Reads all challenges of a header value; parts that cannot be read are left out.
pub fn parse(header: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = header.trim_start_matches([' ', ',']);
    while !rest.is_empty() {
        let (token, after) = split_token(rest);
        if token.is_empty() {
            break;
        }
        let after_space = after.trim_start();
        if let Some(value) = after_space.strip_prefix('=') {
            let (value, after) = split_value(value.trim_start());
            if let Some(challenge) = found.last_mut() {
                challenge.add(token.to_ascii_lowercase(), value);
            }
            rest = after;
        } else {
            found.push(Challenge { scheme: token.to_ascii_lowercase(), parameters: BTreeMap::new() });
            rest = after_space;
        }
        rest = rest.trim_start_matches([' ', ',', '\t']);
    }
    found
}

fn split_token(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| c.is_whitespace() || c == '=' || c == ',').unwrap_or(text.len());
    text.split_at(end)
}

fn split_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_parameters_keep_commas_inside_quotes() {
        let found =
            parse(r#"Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull,push""#);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].scheme.as_str(), found[0].get("scope")), ("bearer", "repository:a/b:pull,push"));
    }

    #[test]
    fn several_challenges_and_odd_spacing_are_read() {
        let found = parse(r#"Basic realm="x y" , Bearer  realm=plain, error="a\"b""#);
        assert_eq!(found.iter().map(|c| c.scheme.as_str()).collect::<Vec<_>>(), ["basic", "bearer"]);
        assert_eq!((found[1].get("realm"), found[1].get("error")), ("plain", "a\"b"));
    }

    #[test]
    fn a_scheme_without_parameters_hides_nothing_and_scopes_add_up() {
        let found =
            parse(r#"Bearer, Negotiate YII=, Basic realm="x", Bearer realm="r",scope="a:b:c",scope="d:e:f", realm=q"#);
        let schemes: Vec<&str> = found.iter().map(|c| c.scheme.as_str()).collect();
        assert_eq!(schemes, ["bearer", "negotiate", "basic", "bearer"]);
        assert_eq!((found[3].get("realm"), found[3].get("scope")), ("r", "a:b:c d:e:f"));
        assert_eq!(found[0].get("realm"), "");
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read_without_a_panic(header in "\\PC{0,80}") { let _ = parse(&header); }
    }
}
