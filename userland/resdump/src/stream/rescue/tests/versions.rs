// SPDX-License-Identifier: MIT

//! Ends of version 1.

use super::*;

/// The sender of version 1, as it was.
fn send_1(link: &mut dyn Link, blocks: u64) -> bool {
    let json = |value| serde_json::to_vec(&value).unwrap();
    let mut hello = serde_json::to_value(header(1)).unwrap();
    for name in ["version", "session"] {
        hello.as_object_mut().unwrap().remove(name);
    }
    let frame = |kind, number, payload| Frame {
        kind,
        number,
        payload,
    };
    let hello = frame(Kind::Hello, blocks, json(hello));
    let (mut arrived, mut next, mut ended) = (None, 0, false);
    let begun = Instant::now();
    link.send(&hello).unwrap();
    while begun.elapsed() < Duration::from_secs(1) {
        if let Some(arrived) = arrived {
            while next < blocks && next < arrived + 8 {
                link.send(&frame(Kind::Data, next, content(next))).unwrap();
                next += 1;
            }
            if arrived == blocks && !ended {
                let end = json(serde_json::to_value(trailer(blocks)).unwrap());
                link.send(&frame(Kind::End, blocks, end)).unwrap();
                ended = true;
            }
        }
        match link.receive(PATIENCE.again) {
            Ok(Some(frame)) => match frame.kind {
                Kind::Ack | Kind::Lost => {
                    let lost = frame.kind == Kind::Lost || arrived.is_none();
                    arrived = Some(frame.number.max(arrived.unwrap_or(0)));
                    if lost || next < frame.number {
                        next = frame.number;
                    }
                }
                Kind::Done => return true,
                _ => {}
            },
            Ok(None) => match arrived {
                _ if ended => ended = false,
                None => link.send(&hello).unwrap(),
                Some(arrived) => next = arrived,
            },
            Err(_) => return false,
        }
    }
    false
}

#[test]
fn a_sender_of_version_1_is_served_and_hears_of_success_only() {
    for (seed, rate, room) in [(1, u32::MAX, None), (2, 7, None), (3, u32::MAX, Some(10))] {
        let (mut sender, mut receiver) = pair(seed, rate);
        let mut store = Store {
            room,
            ..Store::default()
        };
        let told = thread::scope(|scope| {
            let told = scope.spawn(move || send_1(&mut sender, 40));
            receive(&mut receiver, &mut store, PATIENCE, &Stop::default());
            drop(receiver);
            told.join().unwrap()
        });
        match room {
            None => check(&store, 40),
            Some(_) => assert!(!told && store.ended.is_none()),
        }
        if rate == u32::MAX {
            assert_eq!(told, room.is_none());
        }
    }
}

#[test]
fn a_receiver_of_version_1_is_recognised_and_not_relied_on() {
    let (mut sender, mut receiver) = pair(1, u32::MAX);
    receiver.send(&Frame::bare(Kind::Lost, 0)).unwrap();
    let sent = send(
        &mut sender,
        &header(2),
        1,
        &mut |_| unreachable!("nothing is sent to it"),
        &mut || unreachable!("nothing is sent to it"),
        PATIENCE,
        &Stop::default(),
    );
    assert_eq!(sent, Err(Broken::Old));
}
