//! What a value keeps on the heap, counted where it is allocated: nothing that a parser holds can be forgotten.
#![allow(
    unsafe_code,
    reason = "an allocator is unsafe by definition; this one hands everything on to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(allocated: usize, freed: usize) {
    // At the end of a thread there is nothing left to count in.
    let _ = HELD.try_with(|held| held.set(held.get().wrapping_add(allocated).wrapping_sub(freed)));
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// The bytes that this thread holds on the heap.
pub(crate) fn held() -> usize {
    HELD.with(Cell::get)
}

/// The bytes that have come to be held since there were `before`.
pub(crate) fn held_since(before: usize) -> usize {
    // More may have been freed than allocated.
    let since = held().wrapping_sub(before);
    if since > usize::MAX / 2 { 0 } else { since }
}
