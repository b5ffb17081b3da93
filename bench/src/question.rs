//! Questions whose right answers are known: by serial number and list.  From: `list`.  To: loads, and checks as a client's.

use anyhow::Result;
use ocspry_testkit::{
    Authority, HttpClient, Reply, RequestSpec, base64_path, cert_id, nonce_extension,
};
use ocspry_wire::hex::to_hex;
use ocspry_wire::ocsp::{BasicOcspResponse, CertStatus, HashAlgorithm, OcspResponse};
use serde_json::{Value, json};

use crate::list::{ListSpec, NEVER_LISTED, Shape};

/// Serial numbers of each sort that are asked about.
const OF_EACH_SORT: u64 = 8;
/// Octets of the nonces.
pub const NONCE: usize = 16;

/// How certificates are asked about under load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// Answers that are in the cache.
    CachedGet,
    /// A new answer for every nonce.
    FreshPost,
}

impl RequestKind {
    /// What tables call it.
    pub fn name(self) -> &'static str {
        match self {
            RequestKind::CachedGet => "cached GET",
            RequestKind::FreshPost => "fresh POST",
        }
    }

    /// The whole HTTP request.
    fn request(self, question: &Question) -> Vec<u8> {
        match self {
            RequestKind::CachedGet => question.get(),
            RequestKind::FreshPost => question.post_with_nonce(),
        }
    }

    /// Writes it over the one before, with another nonce if it has one.
    fn renew(self, model: &[u8], counter: &mut u64, request: &mut Vec<u8>) {
        request.clear();
        request.extend_from_slice(model);
        if self == RequestKind::FreshPost {
            *counter += 1;
            let end = request.len();
            request[end - 8..].copy_from_slice(&counter.to_be_bytes());
        }
    }

    /// Its nonce, which the answer must have.
    fn nonce(self, request: &[u8]) -> Option<&[u8]> {
        match self {
            RequestKind::CachedGet => None,
            RequestKind::FreshPost => Some(&request[request.len() - NONCE..]),
        }
    }
}

/// All questions in turn on every connection.
pub struct Turns {
    kind: RequestKind,
    requests: Vec<Vec<u8>>,
    counter: u64,
    /// For each connection, which question it asked last.
    asked: Vec<usize>,
}

impl Turns {
    /// `before` has, for each connection, the place of the question that comes before its first one.
    pub fn new<'a>(
        kind: RequestKind,
        questions: impl IntoIterator<Item = &'a Question>,
        before: impl IntoIterator<Item = usize>,
    ) -> Turns {
        let requests = questions.into_iter().map(|one| kind.request(one));
        Turns {
            kind,
            requests: requests.collect(),
            counter: 0,
            asked: before.into_iter().collect(),
        }
    }

    /// Writes the next request of a connection over the one before.
    pub fn ask(&mut self, connection: usize, request: &mut Vec<u8>) {
        let question = (self.asked[connection] + 1) % self.requests.len();
        self.asked[connection] = question;
        self.kind
            .renew(&self.requests[question], &mut self.counter, request);
    }

    /// The place of the question that this connection asked last, and the nonce that the answer must have.
    pub fn asked<'r>(&self, connection: usize, request: &'r [u8]) -> (usize, Option<&'r [u8]>) {
        (self.asked[connection], self.kind.nonce(request))
    }
}

/// A certificate that is asked about.
pub struct Question {
    /// Content octets of its serial number.
    pub serial: Vec<u8>,
    cert_id: Vec<u8>,
    /// None: next to one that is listed, and in no list.
    index: Option<u64>,
}

impl Question {
    /// Some that are revoked in this list, some that the next one adds or releases, some that are in none, and, where serial
    /// numbers are random, some that differ from a listed one in their last bit.
    pub fn about(list: &ListSpec, ca: &Authority) -> Vec<Question> {
        let next = list.next(list.this_update);
        let last = list.entries - 1;
        let spread = (0..OF_EACH_SORT).map(|part| last * part / (OF_EACH_SORT - 1));
        let never = (0..OF_EACH_SORT).map(|part| list.entries + NEVER_LISTED + part);
        let indexes = spread
            .clone()
            .chain(next.released())
            .chain(next.added().take(OF_EACH_SORT as usize))
            .chain(never);
        let mut questions: Vec<Question> = indexes
            .map(|index| {
                let serial = list.entry(index).serial.content().to_vec();
                Question::new(serial, Some(index), ca)
            })
            .collect();
        if list.shape == Shape::Random {
            questions.extend(spread.map(|index| {
                let mut serial = list.entry(index).serial.content().to_vec();
                serial[19] ^= 1;
                Question::new(serial, None, ca)
            }));
        }
        questions
    }

    fn new(serial: Vec<u8>, index: Option<u64>, ca: &Authority) -> Question {
        Question {
            cert_id: cert_id(HashAlgorithm::Sha1, ca, &serial),
            serial,
            index,
        }
    }

    /// What the list says of it.
    pub fn expected(&self, list: &ListSpec) -> CertStatus {
        self.index
            .map_or(CertStatus::Good, |index| list.status(index))
    }

    /// A GET over HTTP.
    pub fn get(&self) -> Vec<u8> {
        let path = base64_path(&RequestSpec::one(self.cert_id.clone()).der());
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
    }

    /// A POST over HTTP whose last [`NONCE`] octets are a nonce.
    pub fn post_with_nonce(&self) -> Vec<u8> {
        let nonce = nonce_extension(&[0; NONCE]);
        let body = RequestSpec::one(self.cert_id.clone())
            .with_extension(nonce)
            .der();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/ocsp-request\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.into_bytes(), body].concat()
    }

    /// Which of the lists the answer comes from, when it says what that list says; the signature is not looked at.
    pub fn judge(
        &self,
        body: &[u8],
        nonce: Option<&[u8]>,
        lists: &[ListSpec],
    ) -> Result<usize, String> {
        let basic = signed_of_one(body)?;
        let single = &basic.responses[0];
        if single.cert_id.der != self.cert_id {
            return Err("another certificate's answer".to_owned());
        }
        if nonce.is_some() && basic.nonce != nonce {
            return Err("another request's nonce".to_owned());
        }
        let position = lists
            .iter()
            .position(|list| list.this_update == single.this_update)
            .ok_or_else(|| format!("thisUpdate {} is no list's", single.this_update))?;
        let list = &lists[position];
        let expected = self.expected(list);
        if single.cert_status != expected {
            return Err(format!(
                "{:?}, where list {} says {expected:?}",
                single.cert_status, list.number
            ));
        }
        match single.next_update {
            Some(until) if until >= basic.produced_at && until <= list.next_update => Ok(position),
            other => Err(format!("nextUpdate {other:?}")),
        }
    }
}

/// How many answers were right.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Questions.
    pub asked: u64,
    /// Answers that were not right: why, each.
    pub wrong: Vec<String>,
}

impl Tally {
    /// As it is kept.
    pub fn to_json(&self) -> Value {
        json!({ "asked": self.asked, "wrong": self.wrong })
    }
}

/// Asks every question once by POST and checks the answer as a client does, signature included.
pub fn ask_all(
    port: u16,
    ca: &Authority,
    list: &ListSpec,
    questions: &[Question],
    tally: &mut Tally,
) -> Result<()> {
    let mut client = HttpClient::connect(port)?;
    for question in questions {
        tally.asked += 1;
        let request = RequestSpec::one(question.cert_id.clone()).der();
        let response = client.post(&request)?;
        let right = match response.status {
            200 => Reply::try_check(&response.body, ca)
                .and_then(|_| question.judge(&response.body, None, std::slice::from_ref(list))),
            status => Err(format!("HTTP {status}")),
        };
        if let Err(why) = right {
            tally.wrong.push(why);
        }
    }
    Ok(())
}

/// Serial numbers and what the list says of them, for a record beside the list.
pub fn known_answers(list: &ListSpec, questions: &[Question]) -> Value {
    let answers = questions.iter().map(|question| {
        let serial = to_hex(&question.serial);
        match question.expected(list) {
            CertStatus::Revoked(revoked) => json!({
                "serial": serial,
                "status": "revoked",
                "revocation_time": revoked.revocation_time.to_string(),
                "reason_code": revoked.reason.map(|reason| reason.code()),
            }),
            CertStatus::Good | CertStatus::Unknown => {
                json!({ "serial": serial, "status": "absent" })
            }
        }
    });
    Value::Array(answers.collect())
}

/// A signed answer of one line; its signature is not looked at.
///
/// # Errors
/// It is something else.
pub(crate) fn signed_of_one(body: &[u8]) -> Result<BasicOcspResponse<'_>, String> {
    let response = OcspResponse::from_der(body).map_err(|error| format!("not DER: {error:?}"))?;
    let basic = response
        .basic
        .ok_or_else(|| format!("{:?}", response.status))?;
    match basic.responses.len() {
        1 => Ok(basic),
        lines => Err(format!("{lines} lines")),
    }
}

#[cfg(test)]
mod tests {
    use ocspry_testkit::{KeyKind, Lie, crafted_response, now};
    use ocspry_wire::ocsp::ErrorStatus;

    use super::*;

    #[test]
    fn questions_have_every_sort_of_answer_and_the_next_list_changes_some() {
        let ca = Authority::root("Question CA", KeyKind::P256);
        let first = ListSpec::new(Shape::Random, 3, 1000, 1, now());
        let second = first.next(now());
        let questions = Question::about(&first, &ca);
        let revoked = |question: &Question, list: &ListSpec| {
            matches!(question.expected(list), CertStatus::Revoked(_))
        };
        let count = |test: &dyn Fn(&Question) -> bool| {
            questions.iter().filter(|question| test(question)).count()
        };
        let both = count(&|question| revoked(question, &first) && revoked(question, &second));
        let neither = count(&|question| !revoked(question, &first) && !revoked(question, &second));
        assert!(both >= 7, "{both}");
        assert_eq!(neither, 16);
        assert_eq!(
            count(&|question| !revoked(question, &first) && revoked(question, &second)),
            8
        );
        let released = count(&|question| revoked(question, &first) && !revoked(question, &second));
        assert!(released >= 1);
    }

    #[test]
    fn an_answer_is_right_only_if_all_of_it_is() {
        let ca = Authority::root("Question CA", KeyKind::P256);
        let any = ListSpec::new(Shape::Random, 3, 1000, 1, now());
        let [first, second] = [0, 1].map(|position| Question::about(&any, &ca).remove(position));
        let answer = |lie: Lie| {
            let cert_ids = [first.cert_id.clone()];
            crafted_response(&ca, &ca.credential(), &cert_ids, Some(&[7; NONCE]), &lie)
        };
        let right = answer(Lie::Status(first.expected(&any)));
        // The list of that answer's thisUpdate.
        let this_update = OcspResponse::from_der(&right)
            .unwrap()
            .basic
            .unwrap()
            .responses[0]
            .this_update;
        let lists = [this_update.plus_seconds(-9), this_update]
            .map(|time| ListSpec::new(Shape::Random, 3, 1000, 1, time));
        let judge = |question: &Question, nonce, body: &[u8], lists: &[ListSpec]| {
            question.judge(body, nonce, lists)
        };
        let nonce: Option<&[u8]> = Some(&[7; NONCE]);
        assert_eq!(judge(&first, nonce, &right, &lists), Ok(1));
        assert_eq!(judge(&first, None, &right, &lists), Ok(1));
        let wrong = |case: &str, found: Result<usize, String>| assert!(found.is_err(), "{case}");
        wrong("serial", judge(&second, nonce, &right, &lists));
        wrong("nonce", judge(&first, Some(&[8; NONCE]), &right, &lists));
        wrong("thisUpdate", judge(&first, nonce, &right, &lists[..1]));
        for lie in [
            Lie::Status(CertStatus::Good),
            Lie::Status(second.expected(&any)),
            Lie::Status(CertStatus::Unknown),
            Lie::ErrorStatus(ErrorStatus::TryLater),
            Lie::WithoutNonce,
        ] {
            let case = format!("{lie:?}");
            wrong(&case, judge(&first, nonce, &answer(lie), &lists));
        }
    }
}
