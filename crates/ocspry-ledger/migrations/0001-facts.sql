-- The ledger, version 1: facts that are added and never changed, under one sequence without gaps.
-- Times are Unix seconds, serial numbers the shortest content octets of the INTEGER, CRL numbers 20 octets big-endian.

-- Where the sequence stands; the one row that changes.
CREATE TABLE head (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    identity BLOB    NOT NULL CHECK (length(identity) = 16),
    sequence INTEGER NOT NULL CHECK (sequence >= 0),
    -- 1 from a restore until the reconciliation: nothing else may be written meanwhile.
    restored INTEGER NOT NULL CHECK (restored IN (0, 1))
) STRICT;

-- One transaction: who, why, when; its facts have the sequences from first to last.
CREATE TABLE act (
    first     INTEGER PRIMARY KEY CHECK (first > 0),
    last      INTEGER NOT NULL CHECK (last >= first),
    -- Drawn at random: tells two histories with the same sequence apart.
    mark      BLOB    NOT NULL CHECK (length(mark) = 16),
    recorded  INTEGER NOT NULL,
    requested INTEGER NOT NULL,
    actor     TEXT    NOT NULL,
    ticket    TEXT
) STRICT;

-- A CA; its own sequence is the number by which the other tables name it.
CREATE TABLE issuer (
    sequence INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    -- SHA-256 of subject and public key: what makes two certificates one issuer.
    identity BLOB NOT NULL UNIQUE CHECK (length(identity) = 32)
) STRICT;

-- Its certificates; a renewal with the same key adds one.
CREATE TABLE issuer_certificate (
    sequence INTEGER PRIMARY KEY,
    issuer   INTEGER NOT NULL REFERENCES issuer (sequence),
    der      BLOB    NOT NULL
) STRICT;
CREATE INDEX issuer_certificate_by_issuer ON issuer_certificate (issuer);

-- What it is set to; the last one counts, and no value takes it back.
CREATE TABLE setting (
    sequence INTEGER PRIMARY KEY,
    issuer   INTEGER NOT NULL REFERENCES issuer (sequence),
    name     TEXT    NOT NULL,
    value    TEXT
) STRICT;
CREATE INDEX setting_by_issuer ON setting (issuer);

-- A serial number that is about to be signed.
CREATE TABLE reservation (
    sequence INTEGER PRIMARY KEY,
    issuer   INTEGER NOT NULL REFERENCES issuer (sequence),
    serial   BLOB    NOT NULL CHECK (length(serial) BETWEEN 1 AND 64)
) STRICT;
CREATE UNIQUE INDEX reservation_by_serial ON reservation (issuer, serial);

-- A certificate that was issued.
CREATE TABLE certificate (
    sequence   INTEGER PRIMARY KEY,
    issuer     INTEGER NOT NULL REFERENCES issuer (sequence),
    serial     BLOB    NOT NULL CHECK (length(serial) BETWEEN 1 AND 64),
    -- 1: signed here, after a reservation.  2: brought along.  3: no more is known than its serial.
    origin     INTEGER NOT NULL CHECK (origin IN (1, 2, 3)),
    not_before INTEGER,
    not_after  INTEGER,
    profile    TEXT,
    CHECK (origin = 3 OR not_after IS NOT NULL)
) STRICT;
CREATE UNIQUE INDEX certificate_by_serial ON certificate (issuer, serial, (origin = 3));

-- What is long and seldom read: apart, so that a status table is loaded without it.
CREATE TABLE certificate_text (
    sequence INTEGER PRIMARY KEY REFERENCES certificate (sequence),
    subject  TEXT NOT NULL,
    der      BLOB
) STRICT;

-- A revocation, a hold (its reason says so), or a release.
CREATE TABLE revocation (
    sequence      INTEGER PRIMARY KEY,
    issuer        INTEGER NOT NULL REFERENCES issuer (sequence),
    serial        BLOB    NOT NULL,
    released      INTEGER NOT NULL CHECK (released IN (0, 1)),
    -- revocationDate; of a release, when it counts from.
    effective     INTEGER NOT NULL,
    reason        INTEGER,
    invalid_since INTEGER
) STRICT;
CREATE INDEX revocation_by_serial ON revocation (issuer, serial);

-- A CRL number that is about to be signed, or that was seen elsewhere.
CREATE TABLE crl_number (
    sequence INTEGER PRIMARY KEY,
    issuer   INTEGER NOT NULL REFERENCES issuer (sequence),
    number   BLOB    NOT NULL CHECK (length(number) = 20),
    -- 1: a complete list.  2: a delta.  3: passed over, because others may have used those up to it.
    use      INTEGER NOT NULL CHECK (use IN (1, 2, 3))
) STRICT;
CREATE UNIQUE INDEX crl_number_by_number ON crl_number (issuer, number);

-- A CRL that was published.
CREATE TABLE crl (
    sequence    INTEGER PRIMARY KEY,
    issuer      INTEGER NOT NULL REFERENCES issuer (sequence),
    number      BLOB    NOT NULL CHECK (length(number) = 20),
    base_number BLOB    CHECK (length(base_number) = 20),
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    published   INTEGER NOT NULL,
    -- All facts up to this sequence are in it.
    covers      INTEGER NOT NULL,
    entries     INTEGER NOT NULL,
    sha256      BLOB    NOT NULL CHECK (length(sha256) = 32),
    FOREIGN KEY (issuer, number) REFERENCES crl_number (issuer, number)
) STRICT;
CREATE UNIQUE INDEX crl_by_number ON crl (issuer, number);

-- Facts up to `kept` are those of before; what had the sequences up to `lost` is gone, and was put back as far as known.
CREATE TABLE reconciliation (
    sequence INTEGER PRIMARY KEY,
    kept     INTEGER NOT NULL,
    lost     INTEGER NOT NULL CHECK (lost >= kept),
    CHECK (sequence = lost + 1)
) STRICT;

-- All facts, for people: 1 issuer, 2 its certificate, 3 setting, 4 reserved, 5 issued, 6 imported, 7 named, 8 revoked,
-- 9 released, 10 CRL number, 11 CRL published, 12 reconciled.
CREATE VIEW fact (sequence, kind, issuer, serial, effective, reason, invalid_since, detail) AS
    SELECT sequence, 1, sequence, NULL, NULL, NULL, NULL, name FROM issuer
    UNION ALL SELECT sequence, 2, issuer, NULL, NULL, NULL, NULL, NULL FROM issuer_certificate
    UNION ALL SELECT sequence, 3, issuer, NULL, NULL, NULL, NULL, name || '=' || coalesce(value, '') FROM setting
    UNION ALL SELECT sequence, 4, issuer, serial, NULL, NULL, NULL, NULL FROM reservation
    UNION ALL SELECT sequence, 4 + origin, issuer, serial, NULL, NULL, NULL, profile FROM certificate
    UNION ALL SELECT sequence, 8 + released, issuer, serial, effective, reason, invalid_since, NULL FROM revocation
    UNION ALL SELECT sequence, 10, issuer, NULL, NULL, NULL, NULL, hex(number) FROM crl_number
    UNION ALL SELECT sequence, 11, issuer, NULL, this_update, NULL, NULL, hex(number) FROM crl
    UNION ALL SELECT sequence, 12, NULL, NULL, NULL, NULL, NULL, kept || '..' || lost FROM reconciliation;

INSERT INTO head (one, identity, sequence, restored) VALUES (1, randomblob(16), 0, 0);

CREATE TRIGGER head_grows BEFORE UPDATE ON head
    WHEN new.identity != old.identity OR new.sequence < old.sequence
    BEGIN SELECT RAISE(ABORT, 'the sequence only grows'); END;
CREATE TRIGGER head_stays BEFORE DELETE ON head BEGIN SELECT RAISE(ABORT, 'facts are never removed'); END;
CREATE TRIGGER act_stays BEFORE UPDATE ON act BEGIN SELECT RAISE(ABORT, 'facts are never changed'); END;
CREATE TRIGGER act_remains BEFORE DELETE ON act BEGIN SELECT RAISE(ABORT, 'facts are never removed'); END;
CREATE TRIGGER issuer_stays BEFORE UPDATE ON issuer BEGIN SELECT RAISE(ABORT, 'facts are never changed'); END;
CREATE TRIGGER issuer_remains BEFORE DELETE ON issuer BEGIN SELECT RAISE(ABORT, 'facts are never removed'); END;
CREATE TRIGGER issuer_certificate_stays BEFORE UPDATE ON issuer_certificate BEGIN SELECT RAISE(ABORT, 'facts are never changed'); END;
CREATE TRIGGER issuer_certificate_remains BEFORE DELETE ON issuer_certificate BEGIN SELECT RAISE(ABORT, 'facts are never removed'); END;
CREATE TRIGGER setting_stays BEFORE UPDATE ON setting BEGIN SELECT RAISE(ABORT, 'facts are never changed'); END;
CREATE TRIGGER setting_remains BEFORE DELETE ON setting BEGIN SELECT RAISE(ABORT, 'facts are never removed'); END;
CREATE TRIGGER reservation_stays BEFORE UPDATE ON reservation BEGIN SELECT RAISE(ABORT, 'facts are never changed'); END;
CREATE TRIGGER reservation_remains BEFORE DELETE ON reservation BEGIN SELECT RAISE(ABORT, 'facts are never removed'); END;
CREATE TRIGGER certificate_stays BEFORE UPDATE ON certificate BEGIN SELECT RAISE(ABORT, 'facts are never changed'); END;
CREATE TRIGGER certificate_remains BEFORE DELETE ON certificate BEGIN SELECT RAISE(ABORT, 'facts are never removed'); END;
CREATE TRIGGER certificate_text_stays BEFORE UPDATE ON certificate_text BEGIN SELECT RAISE(ABORT, 'facts are never changed'); END;
CREATE TRIGGER certificate_text_remains BEFORE DELETE ON certificate_text BEGIN SELECT RAISE(ABORT, 'facts are never removed'); END;
CREATE TRIGGER revocation_stays BEFORE UPDATE ON revocation BEGIN SELECT RAISE(ABORT, 'facts are never changed'); END;
CREATE TRIGGER revocation_remains BEFORE DELETE ON revocation BEGIN SELECT RAISE(ABORT, 'facts are never removed'); END;
CREATE TRIGGER crl_number_stays BEFORE UPDATE ON crl_number BEGIN SELECT RAISE(ABORT, 'facts are never changed'); END;
CREATE TRIGGER crl_number_remains BEFORE DELETE ON crl_number BEGIN SELECT RAISE(ABORT, 'facts are never removed'); END;
CREATE TRIGGER crl_stays BEFORE UPDATE ON crl BEGIN SELECT RAISE(ABORT, 'facts are never changed'); END;
CREATE TRIGGER crl_remains BEFORE DELETE ON crl BEGIN SELECT RAISE(ABORT, 'facts are never removed'); END;
CREATE TRIGGER reconciliation_stays BEFORE UPDATE ON reconciliation BEGIN SELECT RAISE(ABORT, 'facts are never changed'); END;
CREATE TRIGGER reconciliation_remains BEFORE DELETE ON reconciliation BEGIN SELECT RAISE(ABORT, 'facts are never removed'); END;
