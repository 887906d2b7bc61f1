"""The commands, one file each; they hold signatures and import what they run when they run."""
