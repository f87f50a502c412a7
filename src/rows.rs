//! An enum whose variants have a name outside the code, one row each: the description, the variant, the name.
//!
//! The name of a metric, a label value or a code is an interface, and its doc comment is in the reference. In one row,
//! neither can be forgotten or given to the wrong variant, as in a separate `match`. The macro generates that `match`,
//! so no table is searched at run time.

/// Makes the enum, and the function for the name of a variant.
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
        // clap provides the doc comments for the reference.
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
