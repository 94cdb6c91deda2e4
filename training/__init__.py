"""How the embedded model was made and is measured; `gpen_ui` never imports this package. See training/README.md."""
