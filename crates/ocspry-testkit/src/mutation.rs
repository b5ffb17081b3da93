//! Damage done to requests, the same in every run.  To: tests that send what is nearly a request (ERR-07).

/// Changes octets at places that look random (xorshift); a seed names all that it will do.
#[derive(Clone, Debug)]
pub struct Mutator(u64);

impl Mutator {
    /// `seed` is any number but 0, which would never change.
    pub fn seeded(seed: u64) -> Mutator {
        assert_ne!(seed, 0, "a seed");
        Mutator(seed)
    }

    /// A copy with one to four changes: a bit turned, or an octet replaced, put in or taken out.
    pub fn mutate(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut mutated = octets.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(mutated.len());
            match self.below(4) {
                0 => mutated[at] ^= 1 << self.below(8),
                1 => mutated[at] = self.below(256) as u8,
                2 => mutated.insert(at, self.below(256) as u8),
                _ => drop(mutated.remove(at)),
            }
        }
        mutated
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}
