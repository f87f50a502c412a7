# To be sourced: gets packages of Debian or Ubuntu without root, and without installing them.

# unpacked FOLDER PACKAGE…: unpacks packages of the distribution into an empty folder
unpacked() (
    folder=$1
    shift
    # apt-get with all that it writes in a folder of ours: it neither asks for root nor touches the system's lists.
    apt() {
        apt-get -qq -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder/cache" \
            -o APT::Sandbox::User="$(id -un)" "$@"
    }
    rm -rf "$folder" &&
        mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" &&
        cd "$folder" &&
        apt update &&
        apt download "$@" &&
        for package in *.deb; do dpkg-deb -x "$package" . || return; done &&
        rm -rf lists cache ./*.deb
)
