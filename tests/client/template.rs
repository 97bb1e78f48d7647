//! Attributes as a number and the bytes of a value.

use cryptoki_sys::*;

/// An attribute of a template.
pub type Attribute = (CK_ATTRIBUTE_TYPE, Vec<u8>);

/// What can be an attribute's value.
pub trait Value {
    fn bytes(self) -> Vec<u8>;
}

impl Value for bool {
    fn bytes(self) -> Vec<u8> {
        vec![CK_BBOOL::from(self)]
    }
}

impl Value for CK_ULONG {
    fn bytes(self) -> Vec<u8> {
        self.to_ne_bytes().to_vec()
    }
}

impl Value for &[u8] {
    fn bytes(self) -> Vec<u8> {
        self.to_vec()
    }
}

impl<const N: usize> Value for &[u8; N] {
    fn bytes(self) -> Vec<u8> {
        self.to_vec()
    }
}

impl Value for &Vec<u8> {
    fn bytes(self) -> Vec<u8> {
        self.clone()
    }
}

impl Value for Vec<u8> {
    fn bytes(self) -> Vec<u8> {
        self
    }
}

impl Value for &str {
    fn bytes(self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

/// A list of mechanisms.
impl Value for &[CK_ULONG] {
    fn bytes(self) -> Vec<u8> {
        self.iter().flat_map(|number| number.to_ne_bytes()).collect()
    }
}

/// An attribute.
pub fn attribute(number: CK_ATTRIBUTE_TYPE, value: impl Value) -> Attribute {
    (number, value.bytes())
}

/// The number that a value of such an attribute is.
pub fn number(value: &[u8]) -> CK_ULONG {
    CK_ULONG::from_ne_bytes(value.try_into().expect("the value is one CK_ULONG"))
}

/// The C side of a template, which lives as long as the template.
pub(super) fn c_template(template: &[Attribute]) -> Vec<CK_ATTRIBUTE> {
    let attribute = |(number, value): &Attribute| CK_ATTRIBUTE {
        type_: *number,
        pValue: value.as_ptr().cast_mut().cast(),
        ulValueLen: value.len() as CK_ULONG,
    };
    template.iter().map(attribute).collect()
}
