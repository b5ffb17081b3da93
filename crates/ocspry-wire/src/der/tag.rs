//! The identifier octets this project meets (X.690 §8.1.2); single-octet tags only.

/// The bit of an identifier octet that says: made of other elements.
pub const CONSTRUCTED: u8 = 0x20;
/// The end of an indefinite length: in BER only (X.690 §8.1.5).
pub const END_OF_CONTENTS: u8 = 0x00;
/// BOOLEAN.
pub const BOOLEAN: u8 = 0x01;
/// INTEGER.
pub const INTEGER: u8 = 0x02;
/// BIT STRING.
pub const BIT_STRING: u8 = 0x03;
/// OCTET STRING.
pub const OCTET_STRING: u8 = 0x04;
/// NULL.
pub const NULL: u8 = 0x05;
/// OBJECT IDENTIFIER.
pub const OID: u8 = 0x06;
/// ENUMERATED.
pub const ENUMERATED: u8 = 0x0a;
/// UTCTime.
pub const UTC_TIME: u8 = 0x17;
/// GeneralizedTime.
pub const GENERALIZED_TIME: u8 = 0x18;
/// SEQUENCE and SEQUENCE OF.
pub const SEQUENCE: u8 = 0x30;
/// SET and SET OF.
pub const SET: u8 = 0x31;

/// Context-specific, constructed: `[n] EXPLICIT`, or `[n] IMPLICIT` of a constructed type.
pub const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// Context-specific, primitive: `[n] IMPLICIT` of a primitive type.
pub const fn context_primitive(number: u8) -> u8 {
    0x80 | number
}
