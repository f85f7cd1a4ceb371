//! Large entries that come in chunks: what is asked for, what is refused, and what stays of an upload that broke.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::{FileExt as _, PermissionsExt as _},
};

use haulier_model::{Digest, Error, ErrorKind, Manifest, Result, Retry, UnitReference};
use haulier_pack::chunks::{Chunk, ChunkedEntry, Chunker, LARGEST_CHUNK, MOST_CHUNKS};
use haulier_store::{Assembly, Store};

use crate::{Fixture, assert_whole, collect, pack, request, root};

/// An entry, as the chunks that it is made of. The store does not care where they were cut.
struct Large(Vec<Vec<u8>>);

impl Large {
    fn of(chunks: &[&[u8]]) -> Self {
        Self(chunks.iter().map(|bytes| bytes.to_vec()).collect())
    }

    /// Chunks of 10,000 bytes, one for each name.
    fn named(names: &str) -> Self {
        Self(names.bytes().map(|name| vec![name; 10_000]).collect())
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.concat()
    }

    fn digest(&self) -> Digest {
        Digest::of(&self.bytes())
    }

    fn list(&self) -> ChunkedEntry {
        let chunk = |bytes: &Vec<u8>| Chunk { digest: Digest::of(bytes), size: bytes.len() as u32 };
        ChunkedEntry::new(self.digest(), self.bytes().len() as u64, self.0.iter().map(chunk).collect()).unwrap()
    }
}

fn named(names: &str) -> Vec<Digest> {
    Large::named(names).0.iter().map(|bytes| Digest::of(bytes)).collect()
}

fn assemble(store: &Store, entries: &[&Large]) -> Result<Assembly> {
    store.assemble(entries.iter().map(|entry| entry.list()).collect(), &HashSet::new())
}

/// The records of those chunks that are missing.
fn missing_records(assembly: &Assembly, entries: &[&Large]) -> Vec<u8> {
    let all = || entries.iter().flat_map(|entry| &entry.0);
    let find = |digest: &Digest| all().find(|bytes| Digest::of(bytes) == *digest).unwrap().as_slice();
    pack(&assembly.missing().iter().map(find).collect::<Vec<_>>())
}

/// Sends entries to their end; the chunks that were asked for.
fn send(store: &Store, entries: &[&Large]) -> Result<Vec<Digest>> {
    let assembly = assemble(store, entries)?;
    let (records, missing) = (missing_records(&assembly, entries), assembly.missing().to_vec());
    let mut receiver = store.receive_assembly(assembly)?;
    // Cut anywhere.
    records.chunks(7_777).try_for_each(|piece| receiver.write(piece))?;
    receiver.finish(false)?;
    Ok(missing)
}

/// Sends only the first bytes of the pack, then goes away.
fn send_and_break(store: &Store, entry: &Large, bytes: usize) {
    let assembly = assemble(store, &[entry]).unwrap();
    let records = missing_records(&assembly, &[entry]);
    let mut receiver = store.receive_assembly(assembly).unwrap();
    receiver.write(&records[..bytes]).unwrap();
}

fn assert_read(store: &Store, entries: &[&Large]) {
    entries.iter().for_each(|entry| assert_eq!(*store.read(&entry.digest()).unwrap(), *entry.bytes()));
}

/// A unit of one large entry.
async fn deploy(store: &Store, version: &str, entry: &Large) -> haulier_store::UnitRecord {
    send(store, &[entry]).unwrap();
    let root = root(&[&entry.bytes()]).encode();
    store.put(&root).unwrap();
    store.publish(request("orders", version, Manifest { roots: vec![Digest::of(&root)] })).await.unwrap()
}

fn kind<T>(result: Result<T>) -> ErrorKind {
    result.err().map(|error: Error| error.kind()).unwrap()
}

#[tokio::test]
async fn only_missing_chunks_are_asked_for() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let [first, second] = [Large::named("abcd"), Large::named("aXcdY")];
    assert_eq!(send(&store, &[&first]).unwrap(), named("abcd"), "all are missing");
    assert_eq!(send(&store, &[&second]).unwrap(), named("XY"), "some");
    assert_eq!(send(&store, &[&Large::named("dcba")]).unwrap(), [], "none");
    let all = [first, second, Large::named("dcba")];
    let all: Vec<&Large> = all.iter().collect();
    assert_read(&store, &all);
    drop(store);
    let store = fixture.open().await;
    assert_read(&store, &all);
    assert_eq!(assemble(&store, &[&Large::named("abXYe")]).unwrap().missing(), named("e"), "chunks are known again");
    assert_eq!((fixture.count("packs"), fixture.count("incoming"), fixture.count("damaged")), (3, 0, 0));
}

#[tokio::test]
async fn chunks_that_are_there_many_times_travel_once() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let entries = [Large::named("aabaab"), Large::of(&[b"x"]), Large::named("bbca")];
    let entries: Vec<&Large> = entries.iter().collect();
    let missing = [named("ab"), vec![Digest::of(b"x")], named("c")].concat();
    assert_eq!(send(&store, &entries).unwrap(), missing);
    assert_read(&store, &entries);
    assert_eq!(fixture.count("packs"), 1);
    drop(store);
    assert_read(&fixture.open().await, &entries);
}

#[tokio::test]
async fn other_records_come_first_and_may_be_chunks() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let large = Large::named("abc");
    let small = Large::named("b").bytes();
    let assembly = store.assemble(vec![large.list()], &HashSet::from([Digest::of(&small)])).unwrap();
    assert_eq!(assembly.missing(), named("ac"));
    let records = [pack(&[b"other", &small]), missing_records(&assembly, &[&large])].concat();
    let mut receiver = store.receive_assembly(assembly).unwrap();
    receiver.write(&records).unwrap();
    receiver.finish(true).unwrap();
    assert_read(&store, &[&large]);
    assert_eq!(&*store.read(&Digest::of(b"other")).unwrap(), b"other");
}

#[tokio::test]
async fn large_entries_get_packs_of_their_own() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let large = |from: u8| Large((from..from + 12).map(|byte| vec![byte; 3 << 20]).collect());
    let (one, two) = (large(0), large(6));
    assert_eq!(send(&store, &[&one, &two]).unwrap().len(), 18);
    assert_eq!(fixture.count("packs"), 2);
    assert_read(&store, &[&one, &two]);
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_verified_chunks_stay() {
    let large = Large::named("abc");
    let lies = ChunkedEntry::new(Digest::of(b"lie"), large.list().size(), large.list().chunks().to_vec()).unwrap();
    let records = |names: &str| pack(&Large::named(names).0.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let mut flipped = records("abc");
    flipped[10_100] ^= 1;
    for (what, list, records, kept) in [
        ("a chunk that does not hash to its digest", large.list(), flipped, "a"),
        ("another whole", lies, records("abc"), "abc"),
        ("another order", large.list(), records("ba"), ""),
        ("a record between the chunks", large.list(), records("axbc"), "a"),
        ("a chunk that came before", large.list(), records("aabc"), "a"),
        ("an early end", large.list(), records("ab"), "ab"),
        ("no chunk at all", large.list(), Vec::new(), ""),
    ] {
        let fixture = Fixture::new();
        let store = fixture.open().await;
        let assembly = store.assemble(vec![list], &HashSet::new()).unwrap();
        let mut receiver = store.receive_assembly(assembly).unwrap();
        let error = receiver.write(&records).and_then(|()| receiver.finish(false)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{what}: {error}");
        let missing: Vec<Digest> = named("abc").into_iter().filter(|digest| !named(kept).contains(digest)).collect();
        assert_eq!(store.missing(named("abc").into_iter()), missing, "{what}");
        assert!(!store.contains(&Digest::of(b"lie")) && !store.contains(&large.digest()), "{what}");
        assert_eq!(fixture.count("incoming"), 0, "{what}");
        send(&store, &[&large]).unwrap();
        assert_read(&store, &[&large]);
    }
}

#[tokio::test]
async fn lists_that_lie_are_refused_before_anything_is_asked_for() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let known = store.put(b"known").unwrap();
    let list = |size: u64, chunks: Vec<Chunk>| ChunkedEntry::new(Digest::of(b"entry"), size, chunks).unwrap();
    let chunk = |size| Chunk { digest: known, size };
    let assemble = |entries: Vec<ChunkedEntry>| store.assemble(entries, &HashSet::new());
    assert_eq!(kind(assemble(vec![list(6, vec![chunk(6)])])), ErrorKind::InvalidArgument, "another size than here");
    let absent = |size| Chunk { digest: Digest::of(b"absent"), size };
    assert_eq!(kind(assemble(vec![list(3, vec![absent(1), absent(2)])])), ErrorKind::InvalidArgument, "two sizes");
    // The chunk is here once, and would be copied to the end of the disk.
    let most = LARGEST_CHUNK as u32;
    let huge = |count: usize| list((count * LARGEST_CHUNK) as u64, vec![absent(most); count]);
    assert_eq!(kind(assemble(vec![huge(513)])), ErrorKind::ResourceExhausted, "an entry of more than 2 GiB");
    assert_eq!(kind(assemble(vec![huge(512), huge(512), huge(1)])), ErrorKind::ResourceExhausted, "4 GiB in all");
    let many = || list(600_000, vec![absent(1); 600_000]);
    assert!(2 * 600_000 > MOST_CHUNKS && assemble(vec![many()]).is_ok());
    assert_eq!(kind(assemble(vec![many(), many()])), ErrorKind::ResourceExhausted, "too many chunks");
    assert_eq!(fixture.count("incoming"), 0);
}

#[tokio::test]
async fn a_broken_upload_resumes_where_it_was() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    let large = Large::named("abcdaefagh");
    let record = 10_040;
    send_and_break(&store, &large, 2 * record + 5_000);
    assert_eq!(assemble(&store, &[&large]).unwrap().missing(), named("cdefgh"));
    for restarted in [true, false] {
        if restarted {
            drop(store);
            store = fixture.open().await;
        }
        let missing = assemble(&store, &[&large]).unwrap().missing().to_vec();
        send_and_break(&store, &large, record + 1);
        assert_eq!(assemble(&store, &[&large]).unwrap().missing(), &missing[1..]);
    }
    let sizes = fs::read_dir(fixture.path().join("packs")).unwrap().map(|pack| pack.unwrap().metadata().unwrap().len());
    assert!(sizes.sum::<u64>() < 42_000, "a chunk is kept once, however often the upload breaks");
    assert_eq!(send(&store, &[&large]).unwrap(), named("efgh"));
    assert_read(&store, &[&large]);
    // Nobody names the pieces any more, and the chunks are in the whole as well.
    let lease = store.lease([large.digest()]);
    assert_eq!(collect(&store).await.unwrap().packs, 3);
    assert_eq!(assemble(&store, &[&large]).unwrap().missing(), []);
    drop(lease);
    assert_eq!(collect(&store).await.unwrap().packs, 1);
    assert_eq!(assemble(&store, &[&large]).unwrap().missing(), named("abcdefgh"));
}

#[tokio::test]
async fn chunks_live_as_long_as_their_entries_and_keep_nothing_alive() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let [first, second] = [Large::named("abcd"), Large::named("abcX")];
    let one = deploy(&store, "1.0", &first).await;
    let two = deploy(&store, "2.0", &second).await;
    assert_eq!(collect(&store).await.unwrap().packs, 0);
    assert_eq!(collect(&store).await.unwrap().held_bytes, 0, "chunks of a named entry are no waste");
    store.undeploy(&"orders:1.0".parse::<UnitReference>().unwrap(), false).await.unwrap();
    store.remove(&one.id, one.generation).await.unwrap();

    let assembly = assemble(&store, &[&Large::named("abcd")]).unwrap();
    assert_eq!(assembly.missing(), []);
    collect(&store).await.unwrap();
    assert!(store.contains(&first.digest()), "what an upload was told is here stays until it has ended");
    drop(assembly);
    collect(&store).await.unwrap();
    assert!(!store.contains(&first.digest()));
    assert_eq!(assemble(&store, &[&first]).unwrap().missing(), named("d"), "the other pack has taken over");
    assert_whole(&store, &two);
    assert_eq!(send(&store, &[&Large::named("abcXY")]).unwrap(), named("Y"));
    drop(store);
    let store = fixture.open().await;
    assert_whole(&store, &two);
}

/// Changes a byte in the middle of where a content is.
fn damage(store: &Store, digest: &Digest) {
    let location = store.locate(digest).unwrap();
    fs::set_permissions(&location.pack, fs::Permissions::from_mode(0o644)).unwrap();
    let file = fs::File::options().write(true).open(&location.pack).unwrap();
    file.write_all_at(b"?", location.offset + location.size / 2).unwrap();
}

#[tokio::test]
async fn damage_is_found_at_the_start() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let large = Large::named("abc");
    send(&store, &[&large]).unwrap();
    damage(&store, &named("b")[0]);
    drop(store);
    let store = fixture.open().await;
    assert_eq!((fixture.count("damaged"), store.contains(&large.digest())), (1, false));
    assert_eq!(send(&store, &[&large]).unwrap(), named("abc"));
    assert_read(&store, &[&large]);
}

#[tokio::test]
async fn a_damaged_chunk_never_spreads() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    send(&store, &[&Large::named("abc")]).unwrap();
    damage(&store, &named("b")[0]);
    let next = Large::named("abcd");
    let error = send(&store, &[&next]).unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Now), "{error}");
    assert_eq!(send(&store, &[&next]).unwrap(), named("bd"), "it is sent again");
    assert_read(&store, &[&next]);
}

/// Bytes that are cut into several chunks.
fn long() -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..12 << 20).map(|_| next()).collect()
}

fn chunks_of(bytes: &[u8]) -> Large {
    let mut chunker = Chunker::default();
    chunker.push(bytes);
    let mut rest = bytes;
    let chunks = chunker.finish().into_iter().map(|chunk| {
        let (now, later) = rest.split_at(chunk.size as usize);
        rest = later;
        now.to_vec()
    });
    Large(chunks.collect())
}

#[tokio::test]
async fn what_came_as_a_whole_is_cut_when_a_later_one_is_like_it() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let mut bytes = long();
    let whole = store.put(&bytes).unwrap();
    bytes[6 << 20] ^= 1;
    let changed = chunks_of(&bytes);
    assert_eq!(assemble(&store, &[&changed]).unwrap().missing().len(), changed.0.len(), "nothing is known of chunks");
    store.cut_into_chunks(&[whole, Digest::of(b"absent")]).unwrap();
    store.cut_into_chunks(&[whole]).unwrap();
    assert_eq!(assemble(&store, &[&changed]).unwrap().missing().len(), 1, "the changed one");
    send(&store, &[&changed]).unwrap();
    assert_read(&store, &[&changed]);
    assert_eq!(Digest::of(&store.read(&whole).unwrap()), whole);
    drop(store);
    assert_read(&fixture.open().await, &[&changed]);
    assert_eq!(fixture.count("damaged"), 0);
}

#[tokio::test]
async fn a_large_record_that_breaks_off_leaves_chunks() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let bytes = long();
    let (digest, large, record) = (Digest::of(&bytes), chunks_of(&bytes), pack(&[&bytes]));
    let mut plain = store.receive().unwrap();
    plain.write(&record[..10 << 20]).unwrap();
    drop(plain);
    assert!(!store.has_chunks_of(&[digest]) && fixture.count("packs") == 0, "only who asks for it");

    let mut receiver = store.receive().unwrap().keeping_chunks();
    record[..10 << 20].chunks(100_000).for_each(|piece| receiver.write(piece).unwrap());
    drop(receiver);
    assert!(store.has_chunks_of(&[digest]) && !store.contains(&digest));
    let missing: u64 = {
        let (assembly, list) = (assemble(&store, &[&large]).unwrap(), large.list());
        let missing: HashSet<&Digest> = assembly.missing().iter().collect();
        let chunks = list.chunks().iter().filter(|chunk| missing.contains(&chunk.digest));
        chunks.map(|chunk| u64::from(chunk.size)).sum()
    };
    assert!((2 << 20..6 << 20).contains(&missing), "{missing} bytes are missing");
    send(&store, &[&large]).unwrap();
    assert_read(&store, &[&large]);
    drop(store);
    assert_read(&fixture.open().await, &[&large]);
    assert_eq!((fixture.count("incoming"), fixture.count("damaged")), (0, 0));
}
