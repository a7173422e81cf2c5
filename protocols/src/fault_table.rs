//! One table per enum of faults: the variant, its label and its sentence stand in one row, so that none can be forgotten.
//!
//! Not here: faults. Each protocol has a `fault.rs` with its table.

/// `Name: Variant "label" "sentence"; ...` becomes a plain enum with `ALL`, `label` and `explain`.
macro_rules! faults {
    ($(#[$about:meta])* $name:ident: $($fault:ident $label:literal $sentence:literal;)+) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = $sentence] $fault,)+
        }

        impl $name {
            /// Every fault once, in the order of the table.
            pub const ALL: &'static [$name] = &[$($name::$fault,)+];

            /// A stable, snake_case label for counters and logs.
            pub fn label(self) -> &'static str {
                match self {
                    $($name::$fault => $label,)+
                }
            }

            /// A sentence for people, with the section that it follows.
            pub fn explain(self) -> &'static str {
                match self {
                    $($name::$fault => $sentence,)+
                }
            }
        }
    };
}
