//! An enum whose variants have a name outside the code, one row each: what it means, the variant, the name.
//!
//! The name of a metric, a label value or a code is an interface, and what its doc comment says stands in the reference.
//! Side by side neither can be forgotten or given to the wrong variant, as it can where the names follow in a `match` far
//! below. That `match` is still what comes of it: no table is searched at run time.

/// Makes the enum, and the function that tells the name of a variant.
macro_rules! named {
    (
        $(#[$($about_enum:tt)+])*
        $vis:vis enum $enum:ident {
            $($(#[$($about_variant:tt)+])* $variant:ident = $name:literal,)+
        }
        $(#[$($about_name:tt)+])*
        fn $name_of:ident;
    ) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        // clap hands the doc comments to the reference.
        #[cfg_attr(feature = "command", derive(clap::ValueEnum))]
        $(#[$($about_enum)+])*
        $vis enum $enum {
            $($(#[$($about_variant)+])* $variant,)+
        }

        impl $enum {
            $(#[$($about_name)+])*
            #[must_use]
            $vis const fn $name_of(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

pub(crate) use named;
