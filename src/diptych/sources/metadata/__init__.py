"""What other programs wrote about a picture: in EXIF, XMP and IPTC blocks inside its file, and in files beside it.

All of it is written by strangers. It is read leniently, since people see those words elsewhere and miss them here, and
strictly where safety is concerned: no entities, no document types, bounds on bytes, depth and counts. What is left out
is said in a note.
"""
