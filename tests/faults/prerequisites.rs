//! Faults 13 and 14: no permission, a volume of root's, a missing bind, an image that is not the one planned.
